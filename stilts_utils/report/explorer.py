"""The page on which a reader explores the results: a study's findings as short numbers, and a script that holds every study.

Nothing is estimated here: rows are those of the frames that the tables show, rounded. `book/explorer.js` shows them.
"""

import json
import math
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from stilts_utils.analysis import exit_outcomes, factors, frontier, latency
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report.columns import markdown
from stilts_utils.report.estimand_verdicts import learned
from stilts_utils.report.figures.style import METRICS
from stilts_utils.report.formats import bracketed, decimal, signed
from stilts_utils.report.languages import named
from stilts_utils.report.tables_advice import deployments
from stilts_utils.study.settings import CONTROL, PRETRAINED

FILE = "explorer.json"  # in a report: the part of its study
DATA = "explorer_data.js"  # all of them, for the page: a script, since a browser reads no other file of a folder
PAGE = "explorer.js"
DIGITS = 6  # so that a number rounds as it does in a table
LIBRARY = ("bokeh.min.js", "bokeh-api.min.js")
ENDS = ("", "_low", "_high")


def part(findings: Findings) -> dict:
    """What the page shows of a study, as plain values.

    - `title`, `real` (rows of XTREME-R), `seeds`, `arms` and `languages` (code -> words)
    - `targets`: name -> `metric`, `arms`: name -> `steps`, `verdicts` (by step) and `languages`: code -> by step
      [score, low, high, change to 0 steps, low, high], points; the change is none at 0 steps
    - `latency`, `exits` and `advice`: see `_latency`, `_exits` and `_advice`
    """
    study = findings.study
    codes = [code for code in findings.quality.language.unique() if code != MEAN]
    verdicts = findings.verdicts
    return {
        "title": study["title"],
        "real": study["source"] != "embedded",
        "seeds": len(study["seeds"]),
        "arms": {name: name for name in findings.intermediates} | {CONTROL: "the same steps on the target itself"},
        "languages": {MEAN: "mean over languages"} | {code: named(code) for code in _english_first(codes)},
        "targets": {target: _quality(findings, target, verdicts) for target in study["targets"]},
        "latency": _latency(findings),
        "exits": _exits(findings),
        "advice": _advice(findings),
    }


def _english_first(codes: Iterable[str]) -> list[str]:
    return sorted(codes, key=lambda code: (code != "en", named(code)))


def short(value: float) -> float | None:
    """A number in few digits; None without one."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _percent(ratio: float) -> float | None:
    return short(100 * (ratio - 1))


def _quality(findings: Findings, target: str, verdicts: pd.DataFrame) -> dict:
    keys = ["intermediate", "duration", "language"]
    scores, changes = (
        frame[frame.target == target].set_index(keys)[[name, "low", "high"]]
        for frame, name in ((findings.quality, "score"), (findings.changes, "difference"))
    )
    rows = scores.join(changes, rsuffix="_change")
    judged = verdicts[verdicts.target == target].set_index(["intermediate", "duration"])
    said = judged.verdict.to_dict()
    metric, arms = findings.quality.metric[findings.quality.target == target].iloc[0], {}
    for arm in (*findings.intermediates, CONTROL):
        steps = sorted(step for name, step in set(rows.index.droplevel("language")) if name == arm)
        if steps:
            both = rows.loc[[PRETRAINED, arm]].droplevel("intermediate")
            arms[arm] = {
                "steps": [0, *steps],
                "verdicts": ["", *(said.get((arm, step), "") for step in steps)],
                "languages": {code: _by_step(one, [0, *steps]) for code, one in both.groupby("language", sort=False)},
            }
    return {"metric": METRICS.get(metric, metric), "learned": findings.learned.target(target), "arms": arms}


def _by_step(rows: pd.DataFrame, steps: list[int]) -> list[list[float | None]]:
    """Short numbers of one language's rows, indexed by duration and language; none where a duration has no row."""
    return [list(map(short, row)) for row in rows.droplevel("language").reindex(steps).to_numpy()]


def _latency(findings: Findings) -> dict:
    """`note`: why there are no timings, else "". `target` and `arm` that were timed, `margin` (%), and `engines`: name ->
    batch size -> `fault` of its controls, `steps`, `ms` of a request at 0 steps by language, and `languages`: code -> by step
    [change of latency to 0 steps in %, low, high, verdict].
    """
    if not findings.timed:
        return {"note": "This study was not timed.", "engines": {}}
    timing, timings = findings.study["inference"], findings.tables["timings"]
    by_language = latency.ratio_table(latency.language_effects(timings), timing["margin"])
    ratios = pd.concat([findings.ratios.assign(language=MEAN), by_language]).query("verdict != 'control'")
    times = factors.request_times(timings).groupby([*latency.SETTING, "language"]).seconds.mean()
    engines = {}
    for row in findings.controls.itertuples():
        setting = row.engine, row.batch_size
        here = ratios[(ratios.engine == row.engine) & (ratios.batch_size == row.batch_size)]
        steps = sorted(map(int, here.duration.unique()))
        rows = {
            code: [[0, 0, 0, "reference"], *map(_relative, of_code.set_index("duration").reindex(steps).itertuples())]
            for code, of_code in here.groupby("language", sort=False)
        }
        seconds = times.loc[setting] if setting in times.index.droplevel("language") else pd.Series(dtype=float)
        engines.setdefault(row.engine, {})[str(row.batch_size)] = {
            "fault": row.reason,
            "steps": [0, *steps],
            "ms": {code: short(1000 * value) for code, value in seconds.items()} | {MEAN: short(1000 * seconds.mean())},
            "languages": rows,
        }
    return {
        "note": "",
        "target": timing["target"],
        "arm": findings.intermediates[0],
        "margin": 100 * timing["margin"],
        "engines": {name: engines[name] for name in timing["engines"] if name in engines},
    }


def _relative(row) -> list:
    verdict = NOT_MEASURED if pd.isna(row.ratio) else row.verdict
    return [*map(_percent, (row.ratio, row.low, row.high)), verdict]


def _exits(findings: Findings) -> dict:
    """`note`: why there is no early exit, else "". `target`, `arm`, `steps`, `learned`, `fault` of the clock, and

    - `groups`: English and other languages -> by step [threshold, mean exit layer, accuracy, ms], each up to the next
      threshold; without a clock that can be used, ms is none
    - `fixed`: registered thresholds -> by step the change to 0 steps, value, low and high each: of latency (%; of the mean
      exit layer without a clock), and of accuracy in English and elsewhere (points)
    """
    if findings.exits is None:
        return {"note": "This study has no early exit."}
    fault = findings.exits_unusable if findings.timed else "early exit was not timed"
    points = findings.exit_points
    groups = {}
    for (group, _), rows in points[points.kind == "threshold"].groupby(["group", "duration"]):
        groups.setdefault(group, []).append(
            [[short(value) for value in row] for row in rows[["at", "depth", "accuracy", "ms"]].to_numpy()]
        )
    outcomes = findings.exit_outcomes.sort_values("duration").groupby("rule")
    cost = "depth_ratio" if fault else "ratio"
    return {
        "note": "",
        "target": findings.study["inference"]["exits"]["target"],
        "arm": findings.intermediates[0],
        "steps": list(map(int, findings.exits.durations)),
        "layers": int(findings.exits.layers[-1]),
        "learned": learned(findings),
        "fault": fault,
        "groups": groups,
        "fixed": {
            rule: [
                [_percent(row[f"{cost}{end}"]) for end in ENDS]
                + [short(row.get(f"gained_{name}{end}", math.nan)) for name in ("en", "others") for end in ENDS]
                for _, row in rows.iterrows()
            ]
            for rule, rows in ((rule, outcomes.get_group(rule)) for rule in exit_outcomes.FIXED)
        },
    }


def _advice(findings: Findings) -> list[dict]:
    """Per target of usable timings, as the table of advice: `rows` of `frontier.advised`, from the tightest bound on: [bound,
    deployment, steps, score, deployment and steps of the best by its mean, its score, points that this is ahead, low, high,
    how many tie with the best]. Milliseconds a request.
    """
    if not findings.timed:
        return []
    return [
        {"target": target, "rows": [_advised(row) for row in frontier.advised(*given).itertuples()]}
        for target, given in deployments(findings).items()
    ]


def _advised(row) -> list:
    best = row.best, int(row.best_duration), short(row.best_score), *map(short, (row.ahead, row.low, row.high))
    return [short(row.bound), row.engine, int(row.duration), short(row.score), *best, int(row.tied)]


def short_json(values: dict) -> str:
    """Values as JSON without spaces."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write(reports: dict[str, Path], folder: Path) -> Path:
    """Write the parts of all studies into one script: those of XTREME-R first, of these those that were timed."""
    parts = {name: json.loads((report / FILE).read_text(encoding="utf8")) for name, report in reports.items()}
    order = sorted(parts, key=lambda name: (not parts[name]["real"], bool(parts[name]["latency"]["note"])))
    text = short_json({name: parts[name] for name in order})
    file = folder / DATA
    file.write_text(f"const EXPLORER = {text};\n", encoding="utf8")
    newest = max((report / FILE for report in reports.values()), key=lambda part: part.stat().st_mtime_ns)
    shutil.copystat(newest, file)  # the same parts make the same file
    return file


def fallback(report: Path) -> str:
    """Markdown of a study's quality before and after its first intermediate task, for readers without JavaScript."""
    study, rows = json.loads((report / FILE).read_text(encoding="utf8")), []
    for target, found in study["targets"].items():
        arm, made = next(iter(found["arms"].items()))
        before, after = (made["languages"][MEAN][at] for at in (0, -1))
        scores = (bracketed(decimal, *one[:3]) for one in (before, after))
        rows.append((target, arm, made["steps"][-1], *scores, bracketed(signed, *after[3:]), made["verdicts"][-1]))
    names = ["Target", "After", "Steps", "Score at 0 steps [95 %]", "Score [95 %]", "Change, points", "Verdict"]
    return markdown(pd.DataFrame(rows, columns=names))


def scripts(root: Path, made: Path) -> list[str]:
    """Paths of the page's scripts: the library's own, as installed, the data of all studies, and what shows them."""
    library = Path(find_spec("bokeh").origin).parent / "server" / "static" / "js"
    return [str(path) for path in (*(library / name for name in LIBRARY), made / DATA, root / "book" / PAGE)]
