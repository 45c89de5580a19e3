import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from stilts_utils import figures
from stilts_utils.figures_style import apart
from stilts_utils.records import CONTROL, PRETRAINED
from stilts_utils.statistics import PLANTED, SAME, control_verdicts, ratio_table

LANGUAGES = ["en", "de", "es", "ru", "el", "fi", "tr", "sw", "id", "ar", "hi", "zh", "ja"]
DURATIONS = (0, 4, 16, 64)
TARGETS = ("mc_facts", "dtag", "qa_log", "retr_bitext")
METRICS = {"mc_facts": "accuracy", "dtag": "f1", "qa_log": "qa_f1", "retr_bitext": "accuracy"}
TASKS = ("temprel",)
MARGIN = PLANTED_SHARE = 0.02


def latency_tables(durations=DURATIONS, disturbed=("bf16", 16), processes=4):
    """Effects of processes, ratios and controls, with one disturbed engine and batch size."""
    rng = np.random.default_rng(0)
    effects, noise = [], []
    for engine in ("fp32", "bf16"):
        for size in (1, 16):
            spread = 0.012 if (engine, size) == disturbed else 0.003
            for replicate in range(processes):
                keys = {"replicate": replicate, "engine": engine, "batch_size": size}
                noise.append({**keys, "disturbed": (engine, size) == disturbed and replicate == 1})
                for condition in [*map(str, durations[1:]), SAME, PLANTED]:
                    duration = int(condition) if condition.isdigit() else 0
                    centre = np.log1p(PLANTED_SHARE) if condition == PLANTED else 0.0
                    effects.append(
                        {
                            **keys,
                            "condition": condition,
                            "duration": duration,
                            "effect": rng.normal(centre, spread),
                            "blocks": 30,
                        }
                    )
    effects, noise = pd.DataFrame(effects), pd.DataFrame(noise)
    return effects, ratio_table(effects, MARGIN), control_verdicts(effects, noise, PLANTED_SHARE)


def timings(durations=DURATIONS):
    rng = np.random.default_rng(1)
    rows = []
    for engine, speed in (("fp32", 1.0), ("bf16", 0.45)):
        for size in (1, 16):
            for condition in [*map(str, durations), SAME, PLANTED]:
                forward = 0.018 * speed * size**0.85 * rng.normal(1, 0.01)
                rows.append(
                    {
                        "engine": engine,
                        "batch_size": size,
                        "condition": condition,
                        "tokenise_s": 0.0006 * size,
                        "forward_s": forward,
                        "decode_s": 0.00005 * size,
                    }
                )
    return pd.DataFrame(rows)


def arms(durations=DURATIONS, tasks=TASKS, control=True):
    return [(PRETRAINED, 0)] + [(t, d) for t in (*tasks, *([CONTROL] if control else [])) for d in durations[1:]]


def scores(durations=DURATIONS, targets=TARGETS, tasks=TASKS, control=True, seeds=(1, 2)):
    """Scores by seed and their means with intervals, the mean over languages."""
    rng = np.random.default_rng(2)
    rows = []
    for number, target in enumerate(targets):
        for intermediate, duration in arms(durations, tasks, control and not target.startswith("retr")):
            gain = (4 - 3 * number) * np.log1p(duration) / 4 * (0.4 if intermediate == CONTROL else 1)
            for seed in seeds:
                rows.append(
                    {
                        "intermediate": intermediate,
                        "duration": duration,
                        "seed": seed,
                        "target": target,
                        "score": np.clip(45 + 9 * (number % 4) + gain + rng.normal(0, 1.2), 0, 100),
                    }
                )
    by_seed = pd.DataFrame(rows)
    mean = by_seed.groupby(["intermediate", "duration", "target"], as_index=False, sort=False).score.mean()
    mean = mean.assign(language="mean", layer=6, low=mean.score - 2.2, high=mean.score + 2.6)
    return by_seed, mean.assign(metric=mean.target.map(METRICS).fillna("accuracy"))


def shortcuts(targets=TARGETS):
    names = {"dtag": ("token", 34.0), "qa_log": ("overlap", 21.0)}
    rows = []
    for target in targets:
        rows += [
            (target, "chance", 25.0 if target == "mc_facts" else 0.8),
            (target, "majority", 24.0 if target == "mc_facts" else 0.0),
        ]
        rows += [(target, *names.get(target, ("character n-grams", 41.0)))]
    return pd.DataFrame(rows, columns=["target", "baseline", "score"])


def differences(durations=DURATIONS, targets=TARGETS, languages=LANGUAGES, tasks=TASKS):
    rng = np.random.default_rng(3)
    rows = [
        (task, d, target, language, rng.normal(3 - 2 * n, 4))
        for n, target in enumerate(targets)
        for task in tasks
        for d in durations[1:]
        for language in (*languages, "mean")
        if not (target == "mc_facts" and language in ("el", "en"))
    ]
    return pd.DataFrame(rows, columns=["intermediate", "duration", "target", "language", "difference"])


def layer_scores(durations=DURATIONS, targets=("retr_bitext",), tasks=TASKS, depth=12):
    layers = np.arange(depth + 1)
    rows = []
    for target in targets:
        for intermediate, duration in arms(durations, tasks, False):
            values = 40 + 45 * np.sin(layers / depth * 2) - 6 * np.log1p(duration) * (layers / depth) ** 4
            rows += [
                (intermediate, duration, target, layer, "accuracy", value)
                for layer, value in zip(layers, values, strict=True)
            ]
    frame = pd.DataFrame(rows, columns=["intermediate", "duration", "target", "layer", "metric", "score"])
    return frame.assign(low=frame.score - 2, high=frame.score + 2)


def training(durations=DURATIONS, targets=TARGETS[:3], tasks=TASKS, steps=50):
    rng = np.random.default_rng(4)

    def fit(intermediate, duration, seed, target, length, start):
        loss = start * np.exp(-np.arange(length) / 25) + 0.15 + rng.gamma(2, 0.03, length)
        return pd.DataFrame(
            {
                "intermediate": intermediate,
                "duration": duration,
                "seed": seed,
                "target": target,
                "step": np.arange(1, length + 1),
                "loss": loss,
            }
        )

    frames = []
    for seed in (1, 2):
        if len(durations) > 1:
            frames += [fit(task, durations[-1], seed, PRETRAINED, durations[-1], 1.1) for task in tasks]
        for target in targets:
            frames += [
                fit(*arm, seed, target, steps, 1.4 - 0.1 * np.log1p(arm[1])) for arm in arms(durations, tasks, False)
            ]
            frames.append(fit(CONTROL, durations[-1], seed, target, steps + durations[-1], 1.4))
    return pd.concat(frames, ignore_index=True)


def costs():
    rows = [
        ("1_pretrained", "baseline", "load", 4),
        ("1_pretrained", "baseline", "count", 14),
        ("1_pretrained", "baseline", "shortcuts", 25),
    ]
    for run in ("a", "b"):
        rows += [
            ("2_intermediate", run, part, s) for part, s in (("load", 4), ("data", 5), ("train", 40), ("store", 1))
        ]
    for run in "abcdefghij":
        rows += [("3_target", run, part, s) for part, s in (("load", 3), ("data", 6), ("train", 33), ("evaluate", 24))]
    rows += [("4_inference", "mc_facts", part, s) for part, s in (("load", 3), ("time", 150), ("overhead", 18))]
    return pd.DataFrame(rows, columns=["phase", "run", "part", "seconds"]).assign(steps=0, tokens=0)


def fertility(languages=LANGUAGES):
    return pd.DataFrame({"language": languages, "ratio": [1.0, *np.linspace(0.93, 2.1, len(languages) - 1)]})


def everything(durations=DURATIONS, targets=TARGETS, languages=LANGUAGES, tasks=TASKS, processes=4):
    """Every figure by name."""
    effects, ratios, controls = latency_tables(durations, processes=processes)
    by_seed, mean = scores(durations, targets, tasks)
    return {
        "answer": figures.answer(ratios, controls, mean[mean.intermediate != CONTROL], MARGIN),
        "latency": figures.latency(ratios, effects, controls, MARGIN, PLANTED_SHARE),
        "parts": figures.parts(timings(durations)),
        "quality": figures.quality(by_seed, mean, shortcuts(targets)),
        "languages": figures.languages(differences(durations, targets, languages, tasks)),
        "layers": figures.layers(layer_scores(durations, tasks=tasks)),
        "fertility": figures.fertility(fertility(languages)),
        "costs": figures.costs(costs()),
        "learning": figures.learning(training(durations, targets, tasks)),
    }


@pytest.fixture(scope="module")
def drawn():
    return everything()


def with_gid(artist, gid):
    return artist.findobj(lambda found: found.get_gid() == gid)


def points(axes):
    """(y values, interval segments) of every error bar container of a panel."""
    bars = [container for container in axes.containers if hasattr(container, "has_yerr")]
    segments = [[part[:, 1] for part in bar.lines[2][0].get_segments() if len(part)] for bar in bars]
    return [(bar.lines[0].get_ydata(), drawn) for bar, drawn in zip(bars, segments, strict=True)]


def texts_of(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def assert_legible(figure):
    """No text leaves the figure or lies over another one."""
    figure.draw_without_rendering()
    page = figure.bbox
    # An axis keeps ticks beyond its limits, which are not drawn.
    hidden = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    boxes = [
        (text.get_text(), Text.get_window_extent(text))
        for text in texts_of(figure)
        if id(text) not in hidden and text.get_rotation() in (0, 90)
    ]
    for text, box in boxes:
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, text
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart_x, apart_y = max(a.x0, b.x0) - min(a.x1, b.x1), max(a.y0, b.y0) - min(a.y1, b.y1)
        assert apart_x > -1 or apart_y > -2.5, (one, other)


def test_answer_shows_ratios_margin_and_scores():
    _, ratios, controls = latency_tables()
    _, mean = scores(control=False)
    left, right = figures.answer(ratios, controls, mean, MARGIN).axes
    shown = ratios[~ratios.condition.isin((SAME, PLANTED))]
    fp32 = shown[(shown.engine == "fp32") & (shown.batch_size == 1)]
    values, segments = points(left)[0]
    assert values == pytest.approx(100 * (fp32.ratio - 1))
    assert np.array(segments) == pytest.approx(100 * (fp32[["low", "high"]].to_numpy() - 1))
    assert len(points(left)) == 4
    (band,) = with_gid(left, "margin")
    assert (band.get_y(), band.get_height()) == pytest.approx((-2, 4))
    for target, (values, _) in zip(TARGETS, points(right), strict=True):
        assert values == pytest.approx(mean[mean.target == target].sort_values("duration").score)
    assert {text.get_text() for text in right.texts} == set(TARGETS)
    assert [label.get_text() for label in right.get_xticklabels()] == ["0", "4", "16", "64"]


def test_answer_marks_what_is_unusable():
    _, ratios, controls = latency_tables()
    _, mean = scores(control=False)

    def names_and_faces(controls):
        left = figures.answer(ratios, controls, mean, MARGIN).axes[0]
        faces = [container.lines[0].get_markerfacecolor() for container in left.containers]
        return [text.get_text() for text in left.get_legend().get_texts()], faces

    names, faces = names_and_faces(controls)
    assert "unusable" in names and faces.count("white") == (~controls.usable).sum() == 1
    names, faces = names_and_faces(controls.assign(usable=True))
    assert "unusable" not in names and "white" not in faces


def test_latency_shows_every_condition_and_process(drawn):
    effects, ratios, controls = latency_tables()
    panels = drawn["latency"].axes
    titles = [panel.get_title("left") for panel in panels]
    assert titles[:3] == ["fp32, batch 1", "fp32, batch 16", "bf16, batch 1"]
    assert titles[3].startswith("bf16, batch 16\nunusable: ") and "disturbed" in titles[3]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["4", "16", "64", "A/A", "planted"]
    for panel, (engine, size) in zip(panels, [("fp32", 1), ("fp32", 16), ("bf16", 1), ("bf16", 16)], strict=True):
        here = effects[(effects.engine == engine) & (effects.batch_size == size)]
        dots = np.concatenate([line.get_ydata() for line in panel.lines if line.get_markersize() == 2.6])
        assert np.sort(dots) == pytest.approx(np.sort(100 * np.expm1(here.effect)))
        assert len(points(panel)) == 5
        assert any(np.allclose(line.get_ydata(), 2) for line in panel.lines)
        assert panel.get_ylim() == panels[0].get_ylim()


def test_interval_of_one_process_is_left_out():
    effects, ratios, controls = latency_tables(processes=1)
    assert np.isinf(ratios.high).all()
    for panel in figures.latency(ratios, effects, controls, MARGIN, PLANTED_SHARE).axes:
        assert panel.get_ylim()[1] < 10
        assert not any(np.isfinite(segments).all() for _, drawn in points(panel) for segments in drawn)


def test_parts_are_shares_of_durations_only():
    rows = timings()
    rows.loc[rows.condition == PLANTED, "decode_s"] = 99.0
    (axes,) = figures.parts(rows).axes
    widths = np.array([[bar.get_width() for bar in bars] for bars in axes.containers])
    assert widths.sum(axis=0) == pytest.approx(100)
    first = rows[
        (rows.engine == "fp32") & (rows.batch_size == 1) & (rows.condition != PLANTED) & (rows.condition != SAME)
    ]
    total = first[["tokenise_s", "forward_s", "decode_s"]].to_numpy().sum()
    assert widths[:, 0] == pytest.approx(
        [100 * first[f"{part}_s"].sum() / total for part in ("tokenise", "forward", "decode")]
    )
    assert f"{widths[2, 0]:.1f} %" in [text.get_text() for text in axes.texts]


def test_quality_shows_arms_seeds_and_baselines(drawn):
    by_seed, mean = scores()
    panels = drawn["quality"].axes
    assert [panel.get_title("left") for panel in panels] == list(TARGETS)
    assert [panel.get_ylabel() for panel in panels] == [
        "Accuracy (%)",
        "Entity F1 (%)",
        "Answer F1 (%)",
        "Accuracy (%)",
    ]
    for panel, target in zip(panels, TARGETS, strict=True):
        here = mean[mean.target == target]
        for arm in (*TASKS, CONTROL):
            lines = with_gid(panel, f"line {arm}")
            if arm == CONTROL and target == "retr_bitext":
                assert not lines
                continue
            expected = here[here.intermediate.isin((PRETRAINED, arm))].sort_values("duration").score
            assert lines[0].get_ydata() == pytest.approx(expected) and len(expected) == len(DURATIONS)
        seeds = np.concatenate([line.get_ydata() for line in panel.lines if line.get_markersize() == 2.8])
        assert np.sort(seeds) == pytest.approx(np.sort(by_seed[by_seed.target == target].score))
        baselines = shortcuts().query("target == @target").set_index("baseline").score
        drawn_at = [line.get_ydata()[0] for line in with_gid(panel, "baseline")]
        assert drawn_at == [baselines.drop("chance").max(), baselines["chance"]]
    labels = [text.get_text() for text in panels[0].texts]
    assert sorted(labels) == ["chance", "character\nn-grams", "control", "temprel"]


def test_quality_wants_one_row_a_point():
    by_seed, mean = scores()
    with pytest.raises(
        ValueError, match="several rows for one duration, allowed: one target, language, layer and metric"
    ):
        figures.quality(by_seed, pd.concat([mean, mean.assign(layer=3)]), shortcuts())


def test_languages_are_cells_on_one_centred_scale(drawn):
    frame = differences()
    panels = drawn["languages"].axes[: len(TARGETS)]
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == [*sorted(LANGUAGES), "mean"]
    reach = frame.difference.abs().max()
    for panel, target in zip(panels, TARGETS, strict=True):
        mesh = panel.collections[0]
        assert mesh.get_clim() == pytest.approx((-reach, reach))
        table = (
            frame[frame.target == target]
            .pivot(index="language", columns="duration", values="difference")
            .reindex(names)
        )
        shown = np.ma.filled(np.ma.asarray(mesh.get_array(), float).reshape(table.shape), np.nan)
        assert shown == pytest.approx(table.to_numpy(), nan_ok=True)
        assert len(panel.texts) == table.notna().sum().sum()
        assert any(patch.get_hatch() for patch in panel.patches)


def test_layers_have_a_line_a_duration(drawn):
    frame = layer_scores()
    (panel,) = drawn["layers"].axes
    for duration in DURATIONS:
        (line,) = with_gid(panel, f"duration {duration}")
        rows = frame[frame.duration == duration].sort_values("layer")
        assert line.get_xdata() == pytest.approx(rows.layer) and line.get_ydata() == pytest.approx(rows.score)
    assert panel.get_xticks().tolist() == list(range(13))
    assert panel.get_xlabel() == "Layer (0: embeddings, 12: last)"
    assert {text.get_text() for text in panel.texts} == {f"{duration} steps" for duration in DURATIONS}


def test_fertility_is_sorted(drawn):
    (axes,) = drawn["fertility"].axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert dots.get_xdata() == pytest.approx(sorted(fertility().ratio, reverse=True))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == fertility().sort_values("ratio", ascending=False).language.tolist()


def test_costs_lose_no_minute():
    table = costs()
    many = pd.DataFrame(
        {"phase": "2_intermediate", "run": "z", "part": [f"part {n}" for n in range(9)], "seconds": 1.0}
    )
    for frame in (table, pd.concat([table, many])):
        (axes,) = figures.costs(frame).axes
        widths = np.array([[bar.get_width() for bar in bars] for bars in axes.containers])
        assert widths.sum(axis=0) == pytest.approx(frame.groupby("phase").seconds.sum() / 60)
        assert len(widths) <= 8
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "1 pretrained"


def test_learning_has_a_line_a_run(drawn):
    frame = training(targets=TARGETS)
    first, *panels = drawn["learning"].axes
    marks = [line.get_xdata()[0] for line in with_gid(first, "duration")]
    assert marks == [4, 16, 64]
    assert len(first.lines) == 2 + len(marks)
    for panel, target in zip(panels, TARGETS, strict=True):
        rows = frame[
            (frame.target == target) & (frame.intermediate == "temprel") & (frame.duration == 16) & (frame.seed == 2)
        ]
        (line,) = with_gid(panel, "temprel 16 2")
        assert line.get_ydata() == pytest.approx(rows.loss)
        assert len(panel.lines) == 2 * (len(DURATIONS) + 1)


def test_long_losses_are_smoothed_and_keep_their_level():
    rows = training(targets=("dtag",), steps=2000)
    line = with_gid(figures.learning(rows).axes[1], "temprel 16 1")[0].get_ydata()
    raw = rows[
        (rows.target == "dtag") & (rows.intermediate == "temprel") & (rows.duration == 16) & (rows.seed == 1)
    ].loss
    assert line.mean() == pytest.approx(raw.mean(), rel=0.02)
    assert np.abs(np.diff(line)).mean() < 0.2 * np.abs(np.diff(raw)).mean()


def test_texts_are_apart_and_inside(drawn):
    for figure in drawn.values():
        assert figure.get_figwidth() == pytest.approx(6.8)
        assert_legible(figure)


@pytest.mark.parametrize("name", ["answer", "quality", "languages", "learning"])
def test_same_data_give_the_same_bytes(name, drawn, tmp_path):
    make = {
        "answer": lambda: figures.answer(*latency_tables()[1:], scores()[1].query("intermediate != @CONTROL"), MARGIN),
        "quality": lambda: figures.quality(*scores(), shortcuts()),
        "languages": lambda: figures.languages(differences()),
        "learning": lambda: figures.learning(training(targets=TARGETS)),
    }[name]
    one = figures.save(drawn[name], tmp_path / "a" / f"{name}.svg").read_bytes()
    assert one == figures.save(make(), tmp_path / "b" / "other.svg").read_bytes()
    assert one == figures.save(drawn[name], tmp_path / "a" / f"{name}.svg").read_bytes()
    assert b"<dc:date>" not in one and b"</text>" in one and b"sans-serif" in one
    assert [path.name for path in (tmp_path / "a").iterdir()] == [f"{name}.svg"]


def test_drawing_leaves_the_style_of_others_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    figures.save(figures.fertility(fertility()), tmp_path / "fertility.svg")
    assert dict(matplotlib.rcParams) == before


def test_one_duration_one_target():
    found = everything(durations=(0,), targets=("mc_facts",), languages=["en", "de"], processes=1)
    for figure in found.values():
        assert_legible(figure)
    assert len(found["quality"].axes) == 1


def test_ten_durations_ten_targets_fifty_languages():
    durations, targets = (0, 1, 2, 4, 8, 16, 32, 64, 128, 2500), tuple(f"target_{number}" for number in range(10))
    found = everything(durations, targets, [f"l{number:02}" for number in range(50)])
    assert len(found["quality"].axes) == 10 and len(found["learning"].axes) == 11
    assert found["quality"].get_figheight() > 10 and found["fertility"].get_figheight() > 8
    for figure in found.values():
        assert_legible(figure)


def test_several_intermediate_tasks():
    found = everything(tasks=("temprel", "nli_num", "qa_facts"))
    assert len(found["layers"].axes) == 3 and len(found["languages"].axes) == 12 + 1
    assert all(with_gid(panel, "line qa_facts") for panel in found["quality"].axes)
    for figure in found.values():
        assert_legible(figure)


def test_nothing_to_draw_is_said():
    empty = {"languages": differences().head(0), "layers": layer_scores().head(0), "costs": costs().head(0)}
    for name, frame in empty.items():
        figure = getattr(figures, name)(frame)
        assert len(texts_of(figure)) == 1 and not figure.axes


def test_apart_moves_as_little_as_it_must():
    assert apart([1.0, 5.0, 9.0], [2, 2, 2], 0, 10) == pytest.approx([1, 5, 9])
    assert apart([4.0, 4.0], [2, 2], 0, 10) == pytest.approx([3, 5])
    assert apart([0.0, 0.0, 9.9], [2, 2, 2], 0, 10) == pytest.approx([1, 3, 9])


def test_a_notebook_shows_a_figure_as_svg():
    figure = figures.fertility(pd.DataFrame({"language": ["de", "en"], "ratio": [1.2, 1.0]}))
    assert figures.shown(figure).data.lstrip().startswith(("<svg", "<?xml"))
