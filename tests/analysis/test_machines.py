import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from stilts_utils.analysis import machines

MADE = {
    "4_inference/xnli-s1": {"machine": {"cpu": "One", "bf16": "none"}},
    "4_inference/xnli-s12": {"machine": {"cpu": "Other", "bf16": "amx_bf16"}},
    "3_target/mnli-4-s1": {"machine": {"cpu": "Third"}},
}


def effects_of(**values):
    """Effects of one engine: condition -> values of processes 101, 102, ..., 1201, 1202, ..."""
    rows = [
        (number, "fp32", 1, condition, int(condition) if condition.isdigit() else 0, effect, 9)
        for condition, effects in values.items()
        for number, effect in zip((101, 102, 103, 1201, 1202, 1203), effects, strict=True)
    ]
    return pd.DataFrame(
        rows, columns=["replicate", "engine", "batch_size", "condition", "duration", "effect", "blocks"]
    )


def kinds():
    timings = pd.DataFrame({"replicate": [101, 102, 103, 1201, 1202, 1203] * 2, "seed": [1, 1, 1, 12, 12, 12] * 2})
    return machines.kinds(timings, MADE)


def test_a_process_is_of_the_machine_of_its_seed():
    assert kinds().to_dict() == {
        **dict.fromkeys((101, 102, 103), "One, none"),
        **dict.fromkeys((1201, 1202, 1203), "Other, amx_bf16"),
    }


def test_the_mean_over_kinds_has_the_spread_within_them():
    values = [0.10, 0.11, 0.12, -0.10, -0.11, -0.12]
    found = machines.by_kind(effects_of(**{"4": values, "a/a": [0.0] * 6}), kinds(), 0.02).set_index("kind")
    assert list(found.index) == ["One, none", "Other, amx_bf16", machines.EVERY]
    assert found.ratio.to_list() == pytest.approx([np.exp(0.11), np.exp(-0.11), 1.0])
    assert found.verdict.to_list() == ["changed", "changed", "equivalent"]
    error = np.sqrt(1e-4 / 6)
    assert np.log(found.loc[machines.EVERY].high) == pytest.approx(2.7764 * error, rel=1e-4)


def test_equal_kinds_agree_with_a_plain_test_but_for_the_degrees_of_freedom():
    values = [0.004, 0.005, 0.006, 0.004, 0.005, 0.006]
    row = machines.by_kind(effects_of(**{"4": values}), kinds(), 0.02).set_index("kind").loc[machines.EVERY]
    assert row.verdict == "equivalent" and row.processes == 6
    plain = ttest_1samp(values, 0).confidence_interval()
    assert np.log(row.low) == pytest.approx(plain.low, abs=3e-4)


@pytest.mark.parametrize("made", [{}, {"4_inference/xnli-s1": MADE["4_inference/xnli-s1"]}])
def test_one_kind_or_an_unknown_one_has_no_rows(made):
    timings = pd.DataFrame({"replicate": [101, 1201], "seed": [1, 12]})
    kind = machines.kinds(timings, made)
    assert machines.by_kind(effects_of(**{"4": [0.0] * 6}), kind, 0.02).empty
