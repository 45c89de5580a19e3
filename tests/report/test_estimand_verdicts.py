import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import throughput
from stilts_utils.report import estimand_verdicts, exit_sentences, tables_estimands, verdicts
from stilts_utils.report.estimand_verdicts import in_words, on_ratio
from stilts_utils.study import hypotheses
from tests.fake_study import of_seeds

pytest_plugins = ["tests.fake_study"]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.97, 1.02, "equivalent"),
        (1.001, 1.04, "equivalent"),  # a difference, and too small to matter
        (1.01, 1.08, "changed"),
        (0.90, 1.08, "undecided (half-width 9.0 %)"),
        (0.0, float("inf"), "undecided (half-width over 100 %)"),
    ],
)
def test_the_word_follows_the_interval(low, high, word):
    assert in_words(on_ratio(low, high, 0.05)) == word


def with_outcome(found, rule, **values):
    rows = found.exit_outcomes.copy()
    rows.loc[(rows.rule == rule) & (rows.duration == rows.duration.max()), list(values)] = list(values.values())
    exits = dataclasses.replace(found.exits, seeds=(1, 2, 3, 4, 5))
    return of_seeds(dataclasses.replace(found, exit_outcomes=rows, exits=exits))


def judged(found, number):
    return verdicts.verdict(found, number)


def test_h10_is_at_the_fixed_threshold(found):
    assert judged(found, "H10")[0] == "undecided" and judged(found, "H10")[1].endswith("fewer than 5 seeds")
    for low, high, verdict in ((0.7, 0.9, "confirmed"), (0.97, 1.03, "refuted"), (0.9, 1.1, "undecided")):
        said = judged(with_outcome(found, "0.9", ratio=0.8, ratio_low=low, ratio_high=high), "H10")
        assert said[0] == verdict and "of latency at 16 steps" in said[1]
    noisy = dataclasses.replace(found, exit_controls=found.exit_controls.assign(usable=False, reason="disturbed"))
    assert "of the mean exit layer" in judged(noisy, "H10")[1]
    assert "Latency itself is not measured" in exit_sentences.answer_exits(noisy)


def test_h12_is_on_the_threshold_that_is_kept(found):
    for low, high, verdict in ((0.1, 3, "confirmed"), (-1, 0.5, "refuted"), (-1, 2, "undecided")):
        changed = with_outcome(found, "equal_threshold", more_en=0.2, more_en_low=low, more_en_high=high)
        assert judged(changed, "H12")[0] == verdict


def test_h15_says_that_too_few_rows_certify_nothing(found):
    assert "certify no threshold" in judged(of_seeds(found), "H15")[1]  # 40 calibration rows
    assert "40 calibration rows certify no threshold" in tables_estimands.certified(found)


def test_h13_asks_for_every_pair(found):
    rows = found.best_layers.assign(low=-3.0, high=-1.5)
    assert judged(of_seeds(dataclasses.replace(found, best_layers=rows)), "H13")[0] == "confirmed"
    near = of_seeds(dataclasses.replace(found, best_layers=rows.assign(low=-0.5, high=0.5)))
    assert judged(near, "H13")[0] == "refuted"
    assert judged(dataclasses.replace(found, best_layers=rows.iloc[:0]), "H13")[0] == "not measured"


def test_h14_is_by_processes(found):
    def rows(processes, low, high, disturbed=False, aa=(0.99, 1.01)):
        row = ("fp32", "Offline", 16, processes, 99.0, 1.0, low, high, *aa, disturbed)
        return dataclasses.replace(found, throughput=pd.DataFrame([row], columns=throughput.COLUMNS))

    assert judged(found, "H14")[0] == "not measured"
    assert judged(rows(3, 0.99, 1.01), "H14") == ("confirmed", "fp32 Offline equivalent")
    assert judged(rows(3, 0.9, 0.95), "H14") == ("refuted", "fp32 Offline changed")
    assert judged(rows(3, 0.9, 1.1), "H14") == ("undecided", "fp32 Offline undecided (half-width 10.0 %)")
    assert judged(rows(1, 0, 9), "H14") == ("undecided", "fp32 Offline undecided (one process)")
    assert judged(rows(3, 0.99, 1.01, True), "H14") == ("undecided", "fp32 Offline undecided (disturbed)")
    wide = judged(rows(3, 0.9, 0.95, aa=(0.9, 1.0)), "H14")
    assert wide == ("undecided", "fp32 Offline undecided (A/A within ±10.0 %)")


def test_without_early_exit_nothing_is_said(found):
    none = dataclasses.replace(
        found, exits=None, exit_outcomes=found.exit_outcomes.iloc[:0], exit_frontier=found.exit_frontier.iloc[:0]
    )
    for number in ("H10", "H11", "H12", "H15"):
        assert judged(none, number) == estimand_verdicts.ABSENT
    assert "not measured" in exit_sentences.answer_exits(none)


def test_a_hypothesis_younger_than_the_data_is_exploratory(found):
    """The data are of January 2026, all hypotheses of November."""
    assert set(verdicts.registered(found).Kind) == {"exploratory"}
    later = dataclasses.replace(found, provenance=found.provenance | {"date": "2027-01-01", "made": {}})
    kinds = verdicts.registered(later).set_index("No.").Kind
    assert kinds.pop("H15") == "exploratory" and set(kinds) == {"confirmatory"}
    same_day = {"date": hypotheses.SECOND, "made": {}}
    texts = {number: list(text) for number, text in verdicts._texts(found).items()}
    for stored, kind in (({}, "exploratory"), (texts, "confirmatory"), ({"H10": ["other", "text"]}, "exploratory")):
        about = found.provenance | same_day | {"registered": stored}
        rows = verdicts.registered(dataclasses.replace(found, provenance=about)).set_index("No.")
        assert rows.Kind["H10"] == kind and rows.Kind["H1"] == "confirmatory"


def test_hypotheses_written_since_are_judged_though_the_study_does_not_list_them():
    assert hypotheses.of_study(["H1", "H6"], "2026-11-26") == ["H1", "H2", "H6", *(f"H{n}" for n in range(10, 16))]
    assert hypotheses.of_study(["H1", "H6"], "2027-01-01") == ["H1", "H6"]
