import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis.latency import PLANTED, SAME
from stilts_utils.report import figures
from tests.drawn_figures import points, with_gid
from tests.figure_tables import (
    DURATIONS,
    MARGIN,
    PLANTED_SHARE,
    TARGETS,
    changes,
    costs,
    frontier,
    latency_tables,
    timings,
    variance_shares,
)


def test_answer_shows_ratios_margin_and_changes_that_count():
    _, ratios, controls = latency_tables()
    left, right = figures.answer(ratios, controls, changes(), MARGIN).axes
    shown = ratios[~ratios.condition.isin((SAME, PLANTED))]
    fp32 = shown[(shown.engine == "fp32") & (shown.batch_size == 1)]
    values, segments = points(left)[0]
    assert values == pytest.approx(100 * (fp32.ratio - 1))
    assert np.array(segments) == pytest.approx(100 * (fp32[["low", "high"]].to_numpy() - 1))
    assert len(points(left)) == 4
    (band,) = with_gid(left, "margin")
    assert (band.get_y(), band.get_height()) == pytest.approx((-2, 4))
    assert [label.get_text() for label in right.get_yticklabels()] == list(TARGETS[:3])  # the fourth is not learned


def test_answer_marks_what_is_unusable():
    _, ratios, controls = latency_tables()

    def names_and_faces(controls):
        left = figures.answer(ratios, controls, changes(), MARGIN).axes[0]
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


def test_variance_has_no_negative_bar_and_says_the_interval():
    shares = variance_shares()
    shares.loc[shares.source == "duration", ["share", "low", "high"]] = (-0.001, -0.01, 0.012)
    (axes,) = figures.variance(shares).axes
    assert min(bar.get_width() for bar in axes.patches) == 0 == axes.get_xlim()[0]
    assert "−0.10 % [−1.00, 1.20]" in [text.get_text() for text in axes.texts]


def test_frontier_has_a_line_per_duration_a_panel_per_group_and_intervals_at_fixed_layers():
    rows = frontier()
    panels = figures.frontier(rows).axes
    assert [panel.get_title("left") for panel in panels] == ["English", "Other languages"]
    for panel, group in zip(panels, rows.group.unique(), strict=True):
        here = rows[rows.group == group]
        lines = [line for line in panel.lines if len(line.get_xdata()) == 23]
        assert len(lines) == len(points(panel)) == len(DURATIONS)
        for duration, line, (values, segments) in zip(DURATIONS, lines, points(panel), strict=True):
            own = here[here.duration == duration].set_index("kind")
            assert line.get_ydata() == pytest.approx(own.accuracy["threshold"].to_numpy())
            assert values == pytest.approx(own.accuracy["layer"].to_numpy())
            assert np.array(segments) == pytest.approx(own.loc["layer", ["low", "high"]].to_numpy())
        assert {text.get_text() for text in panel.texts} == {f"{duration} steps" for duration in DURATIONS}


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


def test_costs_lose_no_minute():
    table = costs()
    many = pd.DataFrame(
        {"phase": "2_intermediate", "run": "z", "part": [f"part {n}" for n in range(9)], "seconds": 1.0}
    )
    for frame in (table, pd.concat([table, many])):
        (axes,) = figures.costs(frame).axes
        widths = np.array([[bar.get_width() for bar in bars] for bars in axes.containers])
        assert widths.sum(axis=0) == pytest.approx(frame.groupby("phase").seconds.sum() / 60)
        assert len(widths) <= 5
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "1 pretrained"
