import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from stilts_utils.analysis.latency import PLANTED, SAME
from stilts_utils.report import figures
from stilts_utils.report.figures.style import apart
from stilts_utils.study.settings import CONTROL, PRETRAINED
from tests.figure_tables import (
    DURATIONS,
    LANGUAGES,
    MARGIN,
    PLANTED_SHARE,
    TARGETS,
    TASKS,
    costs,
    differences,
    everything,
    fertility,
    frontier,
    latency_tables,
    layer_scores,
    scores,
    shortcuts,
    timings,
    training,
    variance_shares,
)


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


def test_variance_shows_every_source_from_the_largest_on():
    shares = variance_shares()
    (axes,) = figures.variance(shares.sample(frac=1, random_state=0)).axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx(sorted(100 * shares.share, reverse=True))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "engine" and names[-1] == "duration"
    assert [text.get_text() for text in axes.texts][0] == "54.00 % [48.60, 59.40]"


def test_frontier_has_a_line_per_duration_and_a_panel_per_group():
    points = frontier()
    panels = figures.frontier(points).axes
    assert [panel.get_title("left") for panel in panels] == ["English", "Other languages"]
    for panel, group in zip(panels, points.group.unique(), strict=True):
        here = points[points.group == group]
        lines, dots = panel.lines[::2], panel.lines[1::2]
        assert len(lines) == len(dots) == len(DURATIONS)
        for duration, line, dot in zip(DURATIONS, lines, dots, strict=True):
            own = here[here.duration == duration].set_index("kind")
            assert line.get_ydata() == pytest.approx(own.accuracy["threshold"].to_numpy())
            assert dot.get_xdata() == pytest.approx(own.ms["layer"].to_numpy())


@pytest.mark.parametrize("draw", [figures.variance, figures.frontier])
def test_what_was_not_measured_is_said(draw):
    assert [text.get_text() for text in draw(pd.DataFrame()).texts] == [
        "not measured in this study, or of timings that cannot be used"
    ]


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
        "Tag F1 (%)",
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
    assert dots.get_xdata() == pytest.approx(sorted(fertility().premium, reverse=True))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == fertility().sort_values("premium", ascending=False).language.tolist()


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
    figure = figures.fertility(pd.DataFrame({"language": ["de", "en"], "premium": [1.2, 1.0]}))
    assert figures.shown(figure).data.lstrip().startswith(("<svg", "<?xml"))
