import numpy as np
import pandas as pd
import pytest

from stilts_utils.report import figures
from stilts_utils.tasks import task
from tests.drawn_figures import with_gid
from tests.figure_tables import DURATIONS, TARGETS, training, validation


def test_learning_has_a_line_a_run(drawn):
    frame = training(targets=TARGETS)
    first, *panels = drawn["learning"].axes
    assert first.get_title("left") == "temprel (not learned), log steps"
    (chance,) = with_gid(first, "chance")
    assert chance.get_ydata()[0] == pytest.approx(np.log(3))
    assert [text.get_text() for text in first.texts] == ["guessing\nln 3"]
    marks = [line.get_xdata()[0] for line in with_gid(first, "duration")]
    assert marks == [4, 16, 64]
    assert len(first.lines) == 2 + len(marks) + 1
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
    assert len(line) < 130
    raw = rows[
        (rows.target == "dtag") & (rows.intermediate == "temprel") & (rows.duration == 16) & (rows.seed == 1)
    ].loss
    assert line.mean() == pytest.approx(raw.mean(), rel=0.05)
    assert line[-20:].std() < 0.5 * raw[-700:].std()


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


def test_an_arm_that_is_no_choice_among_k_has_no_line_at_guessing():
    first = figures.learning(training(tasks=("squad",))).axes[0]
    assert first.get_title("left") == "squad, log steps" and not with_gid(first, "chance")
