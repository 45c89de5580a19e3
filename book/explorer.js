// Shows the studies of EXPLORER, which stilts_utils/report/explorer.py writes and describes. Charts are drawn by Bokeh.
"use strict";
(() => {
  const MEAN = "mean";
  const NEVER = 101; // the last place of the slider: no row exits early
  const at = (id) => document.getElementById(`explore-${id}`);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Words

  const missing = (value) => value === null || value === undefined;
  /** One decimal; halfway to the even digit, as Python writes the tables. */
  const plain = (value) => {
    if (missing(value)) return "–";
    const tenths = Number.isInteger(4 * value) && !Number.isInteger(2 * value) ? Math.floor(10 * value) : NaN;
    return (tenths % 2 === 0 ? tenths / 10 : value).toFixed(1);
  };
  const signed = (value) => {
    if (missing(value)) return "–";
    const text = plain(Math.abs(value));
    return (Number(text) === 0 || value > 0 ? "+" : "−") + text;
  };
  const bracketed = (write, [value, low, high]) => {
    if (missing(value)) return "–";
    return write(value) + (missing(low) ? " (no interval)" : ` [${write(low)}, ${write(high)}]`);
  };
  const steps = (count) => `${count} step${count === 1 ? "" : "s"}`;
  const last = (list) => list[list.length - 1];

  // Controls

  /** Fill a list with [value, words], keeping what was chosen if it is still there. */
  function offer(id, options) {
    const list = at(id), chosen = list.value;
    list.replaceChildren(...options.map(([value, words]) => new Option(words, value)));
    if (options.some(([value]) => value === chosen)) list.value = chosen;
    list.disabled = options.length === 0;
  }

  const names = (record) => Object.keys(record).map((name) => [name, name]);

  /** A table that scrolls by itself where it is too wide. */
  function table(id, caption, headings, rows) {
    const region = document.createElement("div"), made = document.createElement("table");
    region.className = "pst-scrollable-table-container";
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", caption);
    made.className = "table";
    made.createCaption().textContent = caption;
    const head = made.createTHead().insertRow();
    for (const heading of headings) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = heading;
      head.append(cell);
    }
    const body = made.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const value of row) {
        const cell = line.insertCell();
        cell.textContent = value;
        if (/^[+−\d.]+ \[/.test(value)) cell.className = "interval";
      }
    }
    region.append(made);
    at(id).replaceChildren(region);
  }

  // Charts

  /** Points with intervals over durations, one line a series; `draw` changes what an existing chart shows. */
  class Chart {
    constructor(id) {
      this.place = at(id);
    }

    make(count) {
      const ink = css("--book-ink"), rule = css("--book-rule"), soft = css("--book-soft");
      const colours = [css("--explorer-english"), css("--explorer-other")];
      const figure = Bokeh.Plotting.figure({
        height: 260, sizing_mode: "stretch_width", tools: "", toolbar_location: null, x_range: new Bokeh.Range1d(),
        background_fill_alpha: 0, border_fill_alpha: 0, outline_line_color: null,
      });
      for (const axis of [...figure.below, ...figure.left]) {
        axis.setv({
          axis_line_color: rule, major_tick_line_color: rule, minor_tick_line_color: null, axis_label_text_color: ink,
          major_label_text_color: ink, major_label_text_font_size: "12px", axis_label_text_font_size: "12px",
          axis_label_text_font_style: "normal",
        });
      }
      for (const grid of figure.center) grid.setv({ grid_line_color: rule, grid_line_alpha: 0.6 });
      figure.center[0].visible = false;
      this.steps = figure.below[0];
      this.steps.axis_label = "Steps of intermediate training";
      this.band = new Bokeh.BoxAnnotation({ fill_color: soft, fill_alpha: 0.15, line_color: null, visible: false });
      figure.add_layout(this.band);
      this.sources = [];
      for (let number = 0; number < count; number++) {
        const source = new Bokeh.ColumnDataSource({ data: { x: [], y: [], low: [], high: [], words: [] } });
        const line_color = colours[number], hollow = number > 0;
        figure.line({ field: "x" }, { field: "y" }, { source, line_color, line_dash: hollow ? "dashed" : "solid" });
        figure.segment({ field: "x" }, { field: "low" }, { field: "x" }, { field: "high" }, { source, line_color, line_width: 2 });
        const points = figure.scatter({ field: "x" }, { field: "y" }, {
          source, line_color, size: 9, marker: hollow ? "square" : "circle", line_width: 2,
          fill_color: hollow ? css("--pst-color-background") : line_color,
        });
        figure.add_tools(new Bokeh.HoverTool({ renderers: [points], tooltips: "@words" }));
        this.sources.push(source);
      }
      this.figure = figure;
      this.place.replaceChildren();
      Bokeh.Plotting.show(figure, this.place);
    }

    /** `series`: rows [value, low, high] by step, one series after the other; `band`: half-width around 0. */
    draw(durations, series, write, band = null) {
      this.shown = [durations, series, write, band];
      if (!this.figure || this.sources.length !== series.length) this.make(series.length);
      const places = durations.map((_, place) => place);
      this.steps.ticker = new Bokeh.FixedTicker({ ticks: places });
      this.steps.major_label_overrides = new Map(durations.map((step, place) => [place, String(step)]));
      this.figure.x_range.setv({ start: -0.5, end: durations.length - 0.5 });
      series.forEach((rows, number) => {
        const shift = series.length > 1 ? 0.06 * (2 * number - 1) : 0;
        const [y, low, high] = [0, 1, 2].map((end) => rows.map((row) => row[end] ?? NaN));
        const words = rows.map((row, place) => `${steps(durations[place])}: ${bracketed(write, row)}`);
        this.sources[number].data = { x: places.map((place) => place + shift), y, low, high, words };
      });
      this.band.setv(band === null ? { visible: false } : { top: band, bottom: -band, visible: true });
      this.place.setAttribute("role", "img");
      this.place.setAttribute("aria-label", "Chart of the rows of the table below.");
    }

    redraw() {
      this.figure = null;
      if (this.shown) this.draw(...this.shown);
    }
  }

  const charts = Object.fromEntries(["quality", "latency", "accuracy", "cost"].map((id) => [id, new Chart(id)]));
  const study = () => EXPLORER[at("study").value];

  // Quality and latency

  function choices() {
    const { targets, languages, arms, latency } = study();
    offer("target", names(targets));
    const known = targets[at("target").value];
    offer("arm", Object.keys(known.arms).map((name) => [name, arms[name]]));
    const codes = known.arms[at("arm").value].languages;
    offer("language", Object.entries(languages).filter(([code]) => code in codes));
    offer("engine", names(latency.engines));
    offer("batch", names(latency.engines[at("engine").value] ?? {}));
  }

  function showQuality() {
    const { title, targets, languages, arms, latency } = study();
    const [name, arm, code] = ["target", "arm", "language"].map((id) => at(id).value);
    const target = targets[name], made = target.arms[arm], rows = made.languages[code];
    at("quality-title").textContent = `${name}, ${languages[code]}: ${target.metric}`;
    charts.quality.draw(made.steps, [rows], plain);

    const timed = timing(latency, arm, code, languages), longest = last(made.steps), [first, final] = [rows[0], last(rows)];
    const words = [
      `${title}. ${name}, ${languages[code]}, after ${arms[arm]}: ${bracketed(plain, first)} at 0 steps, ` +
        `${bracketed(plain, final)} after ${longest}; a change of ${bracketed(signed, final.slice(3))} points` +
        (code === MEAN && last(made.verdicts) ? `, ${last(made.verdicts)}.` : "."),
    ];
    if (!target.learned) words.push("The models of this target are below their floor: not learned.");
    words.push(timed.words);
    at("says").textContent = words.join(" ");

    const verdicts = code === MEAN && made.verdicts.some(Boolean);
    const headings = ["Steps", "Score", "Change, points", "Verdict", "Latency, %", "Latency verdict"];
    const kept = headings.filter((heading, place) => (place !== 3 || verdicts) && (place < 4 || timed.rows));
    table("rows", `${name}, ${languages[code]}, after ${arms[arm]}, with 95 % intervals`, kept, made.steps.map((step, place) => {
      const row = rows[place], measured = timed.rows?.[timed.steps.indexOf(step)];
      const cells = [step, bracketed(plain, row), place ? bracketed(signed, row.slice(3)) : "reference"];
      if (verdicts) cells.push(made.verdicts[place] || "–");
      if (timed.rows) cells.push(...(measured ? [step ? bracketed(signed, measured) : "reference", measured[3]] : ["–", "not measured"]));
      return cells;
    }));
  }

  /** What is known of the latency of the chosen setting: `rows` by step, none if nothing is, and words. */
  function timing(latency, arm, code, languages) {
    const [engine, batch] = [at("engine").value, at("batch").value], setting = latency.engines[engine]?.[batch];
    at("latency").hidden = true;
    at("latency-title").textContent = "Latency";
    const without = (words) => {
      at("latency-note").textContent = words;
      return { words };
    };
    if (!setting) return without(latency.note || "No setting was timed.");
    if (arm !== latency.arm) return without(`Latency was timed after ${latency.arm} only.`);
    const own = code in setting.languages ? code : MEAN, rows = setting.languages[own];
    if (!rows) return without(`No timing of ${engine} at batch size ${batch} is left: ${setting.fault}.`);
    const where = own === MEAN ? "mean over the timed languages" : languages[own], ms = setting.ms[own];
    at("latency").hidden = false;
    at("latency-title").textContent = `${engine}, batch size ${batch}, ${where}: change of latency, %`;
    charts.latency.draw(setting.steps, [rows], signed, latency.margin);
    at("latency-note").textContent =
      `Timed on requests of ${latency.target}, ${plain(ms)} ms each at 0 steps. The band is the margin of ±${latency.margin} %.` +
      (own === code ? "" : ` ${languages[code]} was not timed by itself.`) +
      (setting.fault ? ` Its controls failed (${setting.fault}), so that these timings cannot be used.` : "");
    const said = setting.fault ? "not measured, since a control failed" : last(rows)[3];
    const words = `Latency with ${engine} at batch size ${batch}: ${bracketed(signed, last(rows))} % after ${last(setting.steps)} steps, ${said}.`;
    return { rows, steps: setting.steps, words };
  }

  // Early exit

  const threshold = () => (Number(at("threshold").value) === NEVER ? 2 : Number(at("threshold").value) / 100);

  function showExits() {
    const { exits } = study(), here = !exits.note;
    at("exits").hidden = !here;
    at("exits-note").textContent = exits.note ||
      `${exits.target} after ${exits.arm}, trained with exits, last exit at layer ${exits.layers}; mean over seeds.` +
        (exits.fault ? ` No latency is shown: ${exits.fault}.` : "") +
        (exits.learned ? "" : " Its model or intermediate task is below its floor: not learned.");
    if (!here) return;
    const wanted = threshold(), never = wanted > 1, named = never ? "none, full depth" : wanted.toFixed(2);
    at("threshold-is").textContent = named;
    at("threshold").setAttribute("aria-valuetext", named);
    // What holds from a threshold up to the next one: [mean exit layer, accuracy, ms].
    const found = Object.entries(exits.groups).map(([group, durations]) => [
      group[0].toUpperCase() + group.slice(1), durations.map((points) => points.filter(([from]) => from <= wanted + 1e-9).at(-1).slice(1)),
    ]);
    const clock = !exits.fault, cost = clock ? 2 : 0, unit = clock ? "Milliseconds a request" : "Mean exit layer";
    at("cost-title").textContent = unit;
    charts.accuracy.draw(exits.steps, found.map(([, rows]) => rows.map((row) => [row[1]])), plain);
    charts.cost.draw(exits.steps, found.map(([, rows]) => rows.map((row) => [row[cost]])), plain);
    at("exits-says").textContent = `Threshold ${named}. ` + found.map(([group, rows]) =>
      `${group}: accuracy ${plain(rows[0][1])} at 0 steps and ${plain(last(rows)[1])} after ${last(exits.steps)}, ` +
      `mean exit layer ${plain(rows[0][0])} and ${plain(last(rows)[0])}` +
      (clock ? `, ${plain(rows[0][2])} and ${plain(last(rows)[2])} ms.` : ".")).join(" ");
    const columns = ["accuracy, %", "exit layer", ...(clock ? ["ms"] : [])];
    table("exits-rows", `Threshold ${named}: means over seeds`,
      ["Steps", ...found.flatMap(([group]) => columns.map((column) => `${group}: ${column}`))],
      exits.steps.map((step, place) => [
        step,
        ...found.flatMap(([, rows]) => [rows[place][1], rows[place][0], ...(clock ? [rows[place][2]] : [])].map((value) => plain(value))),
      ]));
    showChanges(exits, wanted, clock);
  }

  function showChanges(exits, wanted, clock) {
    const fixed = Object.keys(exits.fixed), rows = exits.fixed[fixed.find((rule) => Math.abs(rule - wanted) < 1e-9)];
    if (!rows) {
      at("exits-changes").textContent = `Changes against 0 steps have intervals at ${fixed.join(", ")}, the registered thresholds.`;
      return;
    }
    table("exits-changes", `Threshold ${wanted}: change against 0 steps, with 95 % intervals paired by seed`,
      ["Steps", clock ? "Latency, %" : "Mean exit layer, %", "Accuracy in English, points", "Elsewhere, points"],
      exits.steps.map((step, place) => [
        step, ...[0, 3, 6].map((from) => (step ? bracketed(signed, rows[place].slice(from, from + 3)) : "reference")),
      ]));
  }

  // Advice

  function showAdvice() {
    const { advice } = study();
    at("advice").hidden = advice.length === 0;
    at("advice-note").textContent = advice.length ? "" : "This study has no timings that can be used, so that it advises nothing.";
    if (!advice.length) return;
    offer("advised", advice.map(({ target }) => [target, target]));
    const { rows } = advice.find(({ target }) => target === at("advised").value);
    // From just below the tightest bound to twice the last, in steps of equal ratio.
    const least = 0.9 * rows[0][0], most = 2 * last(rows)[0];
    const bound = least * (most / least) ** (Number(at("bound").value) / 100), named = `${bound.toPrecision(3)} ms`;
    at("bound-is").textContent = named;
    at("bound").setAttribute("aria-valuetext", named);
    const row = rows.filter(([from]) => from <= bound).at(-1);
    at("advice-says").textContent = row
      ? `Within ${named} a request: ${row[1]} after ${steps(row[2])}, score ${plain(row[3])}. ${because(row)}`
      : `Nothing answers within ${named}; the tightest bound is ${rows[0][0].toPrecision(3)} ms.`;
    table("advice-rows", "What to deploy within a latency bound, from the tightest on",
      ["From, ms", "Deploy", "Steps", "Score", "Because"],
      rows.map((one) => [one[0].toPrecision(3), one[1], one[2], plain(one[3]), because(one)]));
  }

  /** Why this is advised: it is best, or ties with what is best by its mean. */
  function because([, engine, duration, , best, longer, score, ahead, low, high, tied]) {
    const others = `${tied} other${tied === 1 ? " ties" : "s tie"} with it`;
    if (engine === best && duration === longer) return tied ? `It has the best mean, and ${others}.` : "It has the best score.";
    return `A tie: ${best} after ${steps(longer)} has the best mean, ${plain(score)}, ahead by ${bracketed(signed, [ahead, low, high])} points.`;
  }

  // Start

  function showAll() {
    choices();
    showQuality();
    showExits();
    showAdvice();
  }

  for (const part of document.querySelectorAll(".explorer")) part.hidden = false;
  offer("study", Object.entries(EXPLORER).map(([name, { title }]) => [name, `${title} (${name})`]));
  offer("target", names(study().targets));
  at("target").value = Object.keys(study().targets).find((name) => study().targets[name].learned) ?? at("target").value;
  at("threshold").value = 90;
  at("bound").value = 100;
  at("registered").replaceChildren(...[70, 80, 90, 95].map((value) => new Option("", value)));
  at("study").form.addEventListener("submit", (event) => event.preventDefault());
  at("study").form.addEventListener("change", showAll);
  at("threshold").addEventListener("input", showExits);
  at("bound").addEventListener("input", showAdvice);
  at("advised").addEventListener("change", showAdvice);
  showAll();
  new MutationObserver(() => Object.values(charts).forEach((chart) => chart.redraw()))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
})();
