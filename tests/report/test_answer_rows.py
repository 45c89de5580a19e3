import dataclasses

import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import throughput
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, NOT_MEASURED, UNDECIDED
from stilts_utils.report import answer_rows, sentences
from stilts_utils.tasks import CATEGORIES
from tests.fake_study import not_learned, of_seeds

pytest_plugins = ["tests.fake_study"]


def of(findings) -> dict[str, dict]:
    return {row["question"]: row for row in answer_rows.rows(findings)}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([EQUIVALENT, EQUIVALENT], EQUIVALENT),
        ([EQUIVALENT, UNDECIDED], UNDECIDED),
        ([EQUIVALENT, CHANGED, UNDECIDED], CHANGED),
        ([EQUIVALENT, NOT_MEASURED], EQUIVALENT),
        ([NOT_LEARNED, NOT_MEASURED], NOT_LEARNED),
        ([NOT_MEASURED], NOT_MEASURED),
        ([], NOT_MEASURED),
    ],
)
def test_one_change_is_a_change_and_equivalence_needs_all(kinds, expected):
    assert answer_rows.joint(kinds) == expected


def test_there_is_a_row_for_every_question(found, untimed_found):
    assert list(of(found)) == list(of(untimed_found)) == list(answer_rows.QUESTIONS)


def test_dense_latency_shows_the_farthest_comparison_of_the_longest_duration(judged):
    found = judged(EQUIVALENT, high=1.5)  # of a shorter duration
    cells = sentences.dense(found)
    row, cells = of(found)["dense"], cells[cells.duration == 16]
    farthest = max(cells.itertuples(), key=lambda cell: max(abs(cell.low - 1), abs(cell.high - 1)))
    assert row["verdict"] == EQUIVALENT and row["cases"] == row["agreeing"] == len(cells)
    assert (row["low"], row["high"]) == (farthest.low - 1, farthest.high - 1)
    assert row["about"] == f"{farthest.engine}, batch {farthest.batch_size}"


def test_a_study_that_was_not_timed_says_nothing_of_latency(untimed_found):
    rows = of(untimed_found)
    assert {rows[name]["verdict"] for name in ("dense", "throughput", "int8", "search", "tax")} == {NOT_MEASURED}
    assert rows["dense"]["change"] is None


def test_quality_is_by_kind_of_target_and_says_what_the_verdicts_say(found):
    rows = of(of_seeds(found))
    assert rows["classification"] | {"about": "mc_facts after temprel"} == rows["classification"]
    assert (rows["classification"]["verdict"], rows["classification"]["direction"]) == (CHANGED, 1)
    assert (rows["retrieval"]["verdict"], rows["retrieval"]["direction"]) == (CHANGED, -1)
    assert rows["question answering"]["verdict"] == NOT_MEASURED  # the study has no such target
    assert {rows[kind]["verdict"] for kind in CATEGORIES} <= {CHANGED, UNDECIDED, NOT_MEASURED}
    assert of(found)["classification"]["verdict"] == UNDECIDED  # two seeds


def test_what_was_not_learned_has_no_effect(found):
    rows = of(not_learned(of_seeds(found), "temprel"))
    for name in ("classification", "retrieval", "exit_fixed", "exit_kept", "search", "control"):
        assert rows[name]["verdict"] == NOT_LEARNED and rows[name]["change"] is None


def test_int8_is_paired_by_seed(found):
    scores = found.tables["engine_scores"]
    assert not scores.empty
    lost = np.where(scores.duration == scores.duration.max(), 3.0, 0.0) + scores.seed
    frame = scores.assign(engine="ort_int8", score=scores.reference_score - lost)
    row = of(dataclasses.replace(found, tables=found.tables | {"engine_scores": frame}))["int8"]
    assert row["change"] == pytest.approx(-3) and row["low"] == pytest.approx(-3) == row["high"]
    assert row["verdict"] == UNDECIDED  # too few seeds, although all agree


def test_one_seed_has_no_interval_and_so_no_row(found):
    scores = found.tables["engine_scores"]
    frame = scores[scores.seed == scores.seed.min()].assign(engine="ort_int8")
    assert (
        of(dataclasses.replace(found, tables=found.tables | {"engine_scores": frame}))["int8"]["verdict"]
        == NOT_MEASURED
    )


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, CHANGED),
        ({"low": 0.99, "high": 1.01}, EQUIVALENT),
        ({"aa_high": 1.03}, UNDECIDED),  # its control is not equivalent
        ({"disturbed": True}, UNDECIDED),
        ({"aa_low": np.nan, "aa_high": np.nan}, NOT_MEASURED),  # without turns
        ({"processes": 1}, NOT_MEASURED),
    ],
)
def test_throughput_needs_a_control(found, changes, verdict):
    row = dict(
        zip(throughput.COLUMNS, ("fp32", "Offline", 16, 4, 99.0, 0.9, 0.88, 0.92, 0.99, 1.01, False), strict=True)
    )
    row = of(dataclasses.replace(found, throughput=pd.DataFrame([row | changes])))["throughput"]
    assert row["verdict"] == verdict
    if verdict != NOT_MEASURED:
        assert row["about"] == "fp32, Offline" and row["low"] < 0
