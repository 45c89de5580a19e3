import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.study import Study
from stilts_utils.tables import identity
from stilts_utils.tasks import TASKS, Floor
from stilts_utils.tasks.floor import LEAST_ABOVE

SCORES = st.floats(0, 100, allow_nan=False)


@given(SCORES, SCORES)
def test_a_floor_lies_above_the_shortcut_by_the_rule_or_is_refused(score, shortcut):
    least = min(LEAST_ABOVE, (100 - shortcut) / 2)
    if shortcut < 100 and shortcut + least <= score:
        assert Floor(score, shortcut, "So it is.").above >= 0
    else:
        with pytest.raises(ValueError, match="floor: (score|shortcut) is .*, allowed: "):
            Floor(score, shortcut, "So it is.")


@pytest.mark.parametrize(
    ("floor", "said"),
    [
        ((50, 46, "Why."), "score is 50, allowed: 51 to 100, which is above the shortcut's 46; .*shortcut_scores"),
        ((101, 46, "Why."), "score is 101, allowed: 51 to 100"),
        ((97, 95, "Why."), "score is 97, allowed: 97.5 to 100"),
        ((50, -1, "Why."), "shortcut is -1, allowed: 0 to 100"),
        ((50, 20, "why"), "reason is 'why', allowed: a sentence"),
    ],
)
def test_a_floor_that_breaks_the_rule_is_refused(floor, said):
    with pytest.raises(ValueError, match=said):
        Floor(*floor)


def test_every_task_that_is_trained_has_a_floor_and_says_by_how_much_it_is_above_a_shortcut():
    assert {name for name, task in TASKS.items() if not task.floor} == {
        name for name, task in TASKS.items() if not task.trainable
    }
    assert TASKS["xnli"].floor.above == pytest.approx(18.2)


def test_a_floor_is_in_the_identity_of_no_run(monkeypatch):
    study = Study.load("studies/smoke.yaml")

    def digests():
        identity._entry.cache_clear()
        return [identity.of_run(study, run.phase, run.parameters).digest for run in study.runs()]

    before = digests()
    higher = {
        n: dataclasses.replace(TASKS[n], floor=Floor(99, 1, "Else.")) for n in ("temprel", "mc_facts", "qa_parts")
    }
    for name, task in higher.items():
        monkeypatch.setitem(TASKS, name, task)
    assert digests() == before
    identity._entry.cache_clear()
