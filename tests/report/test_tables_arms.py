import dataclasses

import pandas as pd

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT
from stilts_utils.report import arms, tables_arms

pytest_plugins = ["tests.fake_study", "tests.several_arms"]


def test_a_study_of_one_arm_has_no_table_of_arms(found):
    assert tables_arms.every(found) == {}
    said = arms.sentences(found)
    assert said["arms_sentence"] == "There is one arm to show." and said["rate_0_sentence"] == "No arm has a rate of 0."


def test_every_arm_has_a_row_with_both_comparisons(several):
    made = tables_arms.every(several)
    assert set(made) == {"arms", "arm_costs"}  # no forms, no word pairs
    rows = made["arms"].shown.set_index("Arm")
    assert rows["At equal steps"]["dear"].startswith("+4.0 [") and rows["Verdict at equal steps"]["dear"] == CHANGED
    assert rows["Method"]["attacked"] == "adversarial" and rows["Against"]["attacked"] == "target"
    assert rows["Verdict at equal operations"]["still"] == "operations not counted"
    costs = made["arm_costs"].shown.set_index("Arm")
    assert costs.loc["plain"].tolist() == ["16", "64", "1,600", "0.02", "12"] and costs["Seconds"]["attacked"] == "–"


def test_without_counts_a_sentence_says_so(several):
    bare = dataclasses.replace(several, tables=several.tables | {"arms": several.tables["arms"].iloc[:0]})
    assert tables_arms.every(bare)["arm_costs"].said == tables_arms.UNCOUNTED


def test_sentences_count_verdicts(several):
    said = arms.sentences(several)
    assert said["arms_sentence"] == (
        "Of the arms, against what each is compared with, at equal steps: 2 better and 1 worse; at equal operations: 2 worse."
    )
    assert "Adversarial: the worst perturbation" in said["methods_sentence"]


def test_forms_have_latency_and_score(found):
    ratios = pd.DataFrame(
        [
            ("adapters", "fp32", 1, "beside", 1.13, 1.10, 1.16, CHANGED),
            ("votes", "fp32", 1, "4", 2.3, 2.2, 2.4, CHANGED),
            ("votes", "fp32", 1, "a/a", 1.0, 0.99, 1.01, "control"),
        ],
        columns=["kind", "engine", "batch_size", "condition", "ratio", "low", "high", "verdict"],
    )
    gains = pd.DataFrame(
        [("adapters", "fp32", "beside", 0.0, 0.0, 0.0, 1.0, 4e-8, EQUIVALENT)],
        columns=["kind", "engine", "form", "change", "low", "high", "agreement", "largest_difference", "verdict"],
    )
    rows = tables_arms.forms(dataclasses.replace(found, form_ratios=ratios, form_gains=gains)).shown
    assert len(rows) == 2
    assert rows.iloc[0].tolist()[2:] == ["+13.0 % [+10.0, +16.0]", CHANGED, "+0.0 [+0.0, +0.0]", "100.0 %", "4e-08"]
    assert rows.iloc[1].Form == "4 votes, against one answer" and rows.iloc[1]["Score, points"] == "–"
