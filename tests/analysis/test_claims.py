import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.analysis import claims
from stilts_utils.analysis.claims import AGREES, CANNOT, DISAGREES, Measure

pytest_plugins = ["tests.fake_study"]
SEEDS = range(1, 6)
CLAIMS = dict.fromkeys(range(1, 10), CANNOT)


def scored(found, gains, arms=None, before=50.0):
    """Findings of five seeds in which arms gain points: (arm, target) -> gain at 16 steps; a tenth of a point between seeds."""
    targets = dict.fromkeys(target for _, target in gains)
    rows = [("none", 0, seed, target, before + seed) for target in targets for seed in SEEDS]
    rows += [
        (arm, duration, seed, target, before + seed + 0.1 * (seed - 3) + gain * duration / 16)
        for (arm, target), gain in gains.items()
        for duration in (4, 16)
        for seed in SEEDS
    ]
    facts = {
        arm: {"durations": None, "tasks": [], **(arms or {}).get(arm, {})} for arm in dict.fromkeys(a for a, _ in gains)
    }
    study = found.study | {"intermediate": facts, "durations": [0, 4, 16], "seeds": list(SEEDS), "targets": targets}
    frame = pd.DataFrame(rows, columns=["intermediate", "duration", "seed", "target", "score"])
    learned = dataclasses.replace(found.learned, arms=found.learned.arms.iloc[:0], models=found.learned.models.iloc[:0])
    return dataclasses.replace(found, seeds=frame, learned=learned, provenance=found.provenance | {"study": study})


def verdicts(found):
    return {row["claim"]: row["verdict"] for row in claims.measured(found)}


def measures(found, claim):
    return claims.measured(found)[claim - 1]["measures"]


@pytest.mark.parametrize(
    ("low", "high", "more", "verdict"),
    [
        (1.0, 2.0, {}, AGREES),
        (-1.0, 2.0, {}, CANNOT),
        (-2.0, -1.0, {}, DISAGREES),
        (1.0, 2.0, {"claimed": 5.0}, DISAGREES),
        (1.0, 6.0, {"claimed": 5.0}, AGREES),
        (-1.0, 6.0, {"claimed": 5.0}, CANNOT),
        (-1.0, 0.5, {"gain": False}, AGREES),
        (-1.0, 1.5, {"gain": False}, CANNOT),
        (0.1, 0.5, {"gain": False}, DISAGREES),
        (1.0, 2.0, {"seeds": 4}, CANNOT),
    ],
)
def test_the_rule_of_a_measure(low, high, more, verdict):
    assert Measure("x", (low + high) / 2, low, high, **{"seeds": 5, **more}).verdict == verdict


def test_the_rule_of_several_measures():
    yes, no, open_ = (Measure("x", 0, *ends, 5) for ends in ((1, 2), (-2, -1), (-1, 1)))
    assert claims.joint([yes, yes]) == AGREES
    assert claims.joint([yes, no, open_]) == DISAGREES
    assert claims.joint([yes, open_]) == claims.joint([]) == CANNOT


def test_sizes_and_signs_of_gains_are_judged(found):
    gains = {("mnli", "xnli"): 0.1, ("mnli", "tydiqa"): 9.0, ("mnli", "tatoeba"): 20.0}
    gains |= {("squad", "xnli"): 0.1, ("squad", "tydiqa"): 8.0, ("squad", "tatoeba"): 20.0}
    made = scored(found, gains)
    assert verdicts(made) == CLAIMS | {1: AGREES, 3: AGREES, 4: AGREES, 5: AGREES}
    first = measures(made, 1)[0]
    assert first["about"] == "after mnli" and first["value"] == pytest.approx(29.1 / 3) and first["claimed"] == 7.5
    opposite = scored(found, {key: -gain for key, gain in gains.items()})
    assert verdicts(opposite) == CLAIMS | {1: DISAGREES, 3: DISAGREES, 4: DISAGREES, 5: DISAGREES}


def test_a_mixture_is_compared_with_the_best_single_task_and_english_with_its_alternatives(found):
    arms = {
        "all": {"tasks": ["mnli", "squad"]},
        "mlm": {"tasks": ["mnli"], "method": "mlm"},
        "translated": {"tasks": ["mnli"], "languages": ["en", "de"]},
        "other": {"tasks": ["squad"], "method": "mlm"},
    }
    gains = {"mnli": 3.0, "squad": 1.0, "all": 5.0, "mlm": 1.0, "translated": 2.5, "other": 9.0}
    made = scored(found, {(arm, "xnli"): gain for arm, gain in gains.items()}, arms)
    (mixed,) = measures(made, 2)
    assert mixed["value"] == pytest.approx(2.0) and mixed["about"] == "all (2 tasks) over the best single task"
    over = {one["about"]: one["value"] for one in measures(made, 6)}
    assert over == pytest.approx(
        {
            "mnli over mlm (with multilingual MLM)": 2.0,
            "mnli over translated (translated)": 0.5,
            "squad over other (with multilingual MLM)": -8.0,
        }
    )
    assert verdicts(made)[2] == AGREES and verdicts(made)[6] == DISAGREES


def test_one_seed_measures_nothing(found):
    made = scored(found, {("mnli", "xnli"): 1.0})
    one = dataclasses.replace(made, seeds=made.seeds[made.seeds.seed == 1])
    assert all(row["measures"] == [] and row["verdict"] == CANNOT for row in claims.measured(one))


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=2, max_size=6))
def test_the_best_is_chosen_on_other_rows(values):
    frame = pd.DataFrame(values)
    chosen = claims.chosen_elsewhere(frame)
    for row in frame.index:
        changed = frame.copy()
        changed.loc[row] += np.array([100.0, 0.0, -100.0])  # a row does not choose for itself
        column = frame.drop(index=row).mean().idxmax()
        assert claims.chosen_elsewhere(changed)[row] == changed.loc[row, column]
        assert chosen[row] == frame.loc[row, column]
