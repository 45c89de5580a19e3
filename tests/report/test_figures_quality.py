import numpy as np
import pandas as pd
import pytest

from stilts_utils.report import figures, languages
from stilts_utils.study.settings import CONTROL, PRETRAINED
from tests.drawn_figures import with_gid
from tests.figure_tables import (
    DURATIONS,
    TARGETS,
    TASKS,
    changes,
    fertility,
    layer_changes,
    scores,
    shortcuts,
)


def test_curves_show_arms_seeds_and_baselines(drawn):
    by_seed, mean = scores()
    panels = drawn["curves"].axes
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


def test_curves_want_one_row_a_point():
    by_seed, mean = scores()
    with pytest.raises(
        ValueError, match="several rows for one duration, allowed: one target, language, layer and metric"
    ):
        figures.curves(by_seed, pd.concat([mean, mean.assign(layer=3)]), shortcuts())


def test_quality_has_a_row_per_target_and_arm_in_two_panels_on_one_scale():
    tasks = ("temprel", "nli_num")
    left, right = figures.quality(changes(tasks=tasks), changes(tasks=tasks, control=True)).axes
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == [row for target in TARGETS for row in (target, "after temprel", "after nli_num")]
    assert left.get_xlim() == right.get_xlim() and left.get_xlim()[1] >= changes().high.max()
    for panel, frame in ((left, changes(tasks=tasks)), (right, changes(tasks=tasks, control=True))):
        bars = [
            line for line in panel.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
        ]
        assert [list(bar.get_xdata()) for bar in bars] == frame[["low", "high"]].to_numpy().tolist()
    assert not right.get_yticklabels() or len(left.lines) > len(right.lines)


def test_quality_of_one_arm_has_a_row_per_target_and_without_a_control_one_panel():
    (panel,) = figures.quality(changes(), changes().iloc[:0]).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == list(TARGETS)


def test_layers_show_a_line_a_duration_against_0_steps(drawn):
    frame = layer_changes()
    (panel,) = drawn["layers"].axes
    for duration in DURATIONS[1:]:
        (line,) = with_gid(panel, f"duration {duration}")
        rows = frame[frame.duration == duration].sort_values("layer")
        assert line.get_xdata() == pytest.approx(rows.layer) and line.get_ydata() == pytest.approx(rows.difference)
    assert panel.get_xticks().tolist() == list(range(13))
    assert panel.get_xlabel() == "Layer (0: embeddings, 12: last)"
    assert {text.get_text() for text in panel.texts} == {f"{duration} steps" for duration in DURATIONS}


def test_fertility_is_sorted(drawn):
    (axes,) = drawn["fertility"].axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert dots.get_xdata() == pytest.approx(sorted(fertility().premium, reverse=True))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == fertility().sort_values("premium", ascending=False).language.map(languages.name).tolist()


def test_layers_without_an_interval_have_points_and_the_others_bars():
    rows = layer_changes()
    without = ~rows.layer.isin([7, 12])
    (panel,) = figures.layers(rows.assign(low=rows.low.mask(without), high=rows.high.mask(without))).axes
    for duration in DURATIONS[1:]:
        (line,) = with_gid(panel, f"duration {duration}")
        assert len(line.get_xdata()) == 13
    segments = [segment for container in panel.containers for segment in container[2][0].get_segments()]
    bars = [bar for bar in segments if len(bar) and np.isfinite(bar).all()]
    assert sorted({float(bar[0][0]) for bar in bars}) == [7, 12] and len(bars) == 2 * len(DURATIONS[1:])
