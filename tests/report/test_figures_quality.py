import numpy as np
import pandas as pd
import pytest

from stilts_utils.report import figures
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tasks import task
from tests.drawn_figures import with_gid
from tests.figure_tables import (
    DURATIONS,
    LANGUAGES,
    TARGETS,
    TASKS,
    differences,
    fertility,
    layer_scores,
    scores,
    shortcuts,
    training,
    validation,
)


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


def test_layers_without_an_interval_have_points_and_the_others_bars():
    rows = layer_scores()
    without = ~rows.layer.isin([7, 12])
    (panel,) = figures.layers(rows.assign(low=rows.low.mask(without), high=rows.high.mask(without))).axes
    for duration in DURATIONS:
        (line,) = with_gid(panel, f"duration {duration}")
        assert len(line.get_xdata()) == 13
    segments = [segment for container in panel.containers for segment in container[2][0].get_segments()]
    bars = [bar for bar in segments if len(bar) and np.isfinite(bar).all()]
    assert sorted({float(bar[0][0]) for bar in bars}) == [7, 12] and len(bars) == 2 * len(DURATIONS)


def test_validation_has_a_panel_a_task_with_its_floor_and_its_shortcut():
    rows = validation(tasks=("temprel", "mc_facts"))
    both = rows[rows.task == "temprel"].assign(intermediate="both", score=90.0)
    rows = pd.concat([rows, both, rows.assign(metric="other", score=1.0)])
    first, second = figures.validation(rows).axes
    assert (first.get_title("left"), second.get_title("left")) == ("temprel", "mc_facts")
    for panel, name in ((first, "temprel"), (second, "mc_facts")):
        (floor,), (shortcut,) = with_gid(panel, "floor"), with_gid(panel, "shortcut")
        assert floor.get_ydata()[0] == task(name).floor.score and shortcut.get_ydata()[0] == task(name).floor.shortcut
    (line,), (other,) = with_gid(first, "line temprel"), with_gid(first, "line both")
    means = (
        rows.query("task == 'temprel' and intermediate == 'temprel' and metric == 'accuracy'")
        .groupby("duration")
        .score.mean()
    )
    assert line.get_ydata().tolist() == means.tolist() and set(other.get_ydata()) == {90.0}
    assert not with_gid(second, "line both")
