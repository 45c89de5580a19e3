import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import arms
from stilts_utils.analysis.verdict import CHANGED, NOT_LEARNED, UNDECIDED

pytest_plugins = ["tests.fake_study", "tests.several_arms"]


def test_arms_are_compared_at_equal_steps_and_operations(several):
    rows = arms.compared(several).set_index(["intermediate", "equal"])
    dear = rows.loc["dear"]
    assert dear.difference["steps"] == pytest.approx(4.0) and dear["at"]["steps"] == 16
    # 16e9 operations: plain's 16 steps, and dear's 8, a third of the way from 2 to 12 points.
    assert dear["at"]["operations"] == 16e9
    assert dear.difference["operations"] == pytest.approx(2 + 10 / 3 - 8)
    assert list(dear.against) == ["plain", "plain"] and set(dear.verdict) == {CHANGED}
    assert dear.direction.to_dict() == {"steps": 1, "operations": -1}


def test_arms_of_the_target_phase_are_compared_with_the_control(several):
    rows = arms.compared(several).set_index(["intermediate", "equal"]).loc["attacked"]
    assert set(rows.against) == {"target"} and rows.difference["steps"] == pytest.approx(2.0)
    assert rows["at"]["operations"] == 16e9  # of the control: 4 of the arm's steps
    assert rows.difference["operations"] == pytest.approx(3 / 4 - 1, abs=1e-6)


def test_without_counted_operations_steps_alone_are_compared(several):
    bare = dataclasses.replace(several, tables=several.tables | {"arms": several.tables["arms"].iloc[:0]})
    assert set(arms.compared(bare).equal) == {"steps"}


def test_arms_that_were_not_learned_and_few_seeds_get_no_verdict(several):
    standing = pd.DataFrame({"intermediate": ["dear"], "standing": [NOT_LEARNED]})
    unlearned = dataclasses.replace(several, learned=dataclasses.replace(several.learned, arms=standing))
    rows = arms.compared(unlearned).set_index("intermediate").verdict
    assert set(rows["dear"]) == {NOT_LEARNED} and NOT_LEARNED not in set(rows["attacked"])
    few = dataclasses.replace(several, seeds=several.seeds[several.seeds.seed < 3])
    assert set(arms.compared(few).verdict) == {UNDECIDED}


def test_costs_are_means_over_seeds(several):
    rows = arms.costs(several).set_index("intermediate")
    assert rows.operations.to_dict() == {"plain": 16e9, "dear": 32e9, "target": 16e9, "attacked": 64e9}
    assert rows.seconds["plain"] == 12.0 and pd.isna(rows.seconds["attacked"])


def test_one_arm_has_none_to_be_compared_with(found):
    assert arms.compared(found).empty


def test_beyond_what_was_measured_the_last_change_stands():
    rows = pd.DataFrame({"seed": [1, 1], "amount": [10.0, 20.0], "change": [2.0, 4.0]})
    read = {amount: arms.read_at(rows, amount)[1] for amount in (0.0, 5.0, 15.0, 20.0, 30.0)}
    assert read == {0.0: 0.0, 5.0: 1.0, 15.0: 3.0, 20.0: 4.0, 30.0: 4.0}


@pytest.mark.parametrize("same", [True, False])
def test_predictions_at_rate_0_are_compared_item_by_item(found, same):
    items = found.tables["items"]
    copied = items[items.intermediate == "none"].assign(intermediate="still", duration=16)
    if not same:
        copied = copied.assign(numerator=[1 - copied.numerator.iloc[0], *copied.numerator.iloc[1:]])
    checkpoints = found.tables["checkpoints"]
    still = checkpoints.iloc[:1].assign(intermediate="still", distance=0.0)
    tables = {"items": pd.concat([items, copied]), "checkpoints": pd.concat([checkpoints, still])}
    assert arms.at_rate_0(dataclasses.replace(found, tables=found.tables | tables)) == {"still": same}


def test_the_change_of_cosines_is_paired_by_language_and_seed(found):
    rows = [
        ("lexical", duration, seed, language, pairs, 2, 0.5 + (duration > 0) * rise + 0.01 * seed)
        for duration in (0, 16)
        for seed in (1, 2)
        for language in ("sw", "kk")
        for pairs, rise in (("trained", 0.2), ("random", 0.3))
    ]
    table = pd.DataFrame(rows, columns=["intermediate", "duration", "seed", "language", "pairs", "layer", "cosine"])
    made = arms.cosines(dataclasses.replace(found, tables=found.tables | {"lexical": table})).set_index("pairs")
    assert made.change.to_dict() == pytest.approx({"trained": 0.2, "random": 0.3})
    assert made.before["trained"] == pytest.approx(0.515) and made.after["trained"] == pytest.approx(0.715)
    assert arms.cosines(found).empty
