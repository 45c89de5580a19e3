import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import forms
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_MEASURED, UNDECIDED
from tests.simulated_timings import simulate


def timings(kind, slowdown, seed=1, **options):
    named = {"0": 0.0, "a/a": 0.0, "planted": 0.02, "4": slowdown}
    rows = simulate(np.random.default_rng(seed), named, processes=6, **options)
    rows["condition"] = rows.condition.replace({"4": "beside"} if kind == "adapters" else {})
    return rows.assign(kind=kind, disturbed=False, duration=8)


def test_every_kind_of_form_has_the_ratio_that_was_put_in():
    ratios, settings = forms.ratios(pd.concat([timings("adapters", 0.10), timings("votes", 1.5, 2)]), 0.02, 0.02)
    assert settings.usable.all() and set(settings.kind) == {"adapters", "votes"}
    found = ratios[~ratios.condition.isin(["a/a", "planted"])].set_index(["kind", "condition"])
    for key, ratio in ((("adapters", "beside"), 1.10), (("votes", "4"), 2.5)):
        assert found.ratio[key] == pytest.approx(ratio, rel=0.01) and found.low[key] > 1
        assert found.verdict[key] == CHANGED


def test_a_form_that_costs_nothing_is_equivalent_and_a_disturbed_one_not_measured():
    quiet = timings("adapters", 0.0)
    ratios, _ = forms.ratios(quiet, 0.02, 0.02)
    assert ratios.set_index("condition").verdict["beside"] == EQUIVALENT
    ratios, settings = forms.ratios(quiet.assign(disturbed=quiet.replicate == 1), 0.02, 0.02)
    assert ratios.set_index("condition").verdict["beside"] == NOT_MEASURED and not settings.usable.any()


def scores(changes):
    rows = [
        {"kind": "votes", "engine": "fp32", "form": "4", "seed": seed, "language": language}
        | {"score": 50 + change, "reference_score": 50, "agreement": 0.9, "largest_difference": 0.0}
        for seed, change in enumerate(changes)
        for language in ("en", "sw")
    ]
    return pd.DataFrame(rows)


def test_the_gain_is_a_mean_over_seeds_with_its_interval():
    (row,) = forms.gains(scores([1.0, 2.0, 3.0, 2.0, 2.0])).itertuples()
    assert (row.seeds, row.change, row.agreement, row.verdict, row.direction) == (5, 2.0, 0.9, CHANGED, 1)
    assert row.high - row.change == pytest.approx(2.7764 * np.std([1, 2, 3, 2, 2], ddof=1) / np.sqrt(5), rel=1e-3)
    (few,) = forms.gains(scores([2.0, 2.1])).itertuples()
    assert few.verdict == UNDECIDED


def test_a_study_without_other_forms_has_no_rows():
    empty = pd.DataFrame(
        columns=["kind", "engine", "form", "seed", "score", "reference_score", "agreement", "language"]
    )
    ratios, settings = forms.ratios(empty, 0.02, 0.02)
    assert ratios.empty and settings.empty
    assert forms.gains(empty.assign(largest_difference=0.0)).empty
