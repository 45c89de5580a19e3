import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.report import sentences
from stilts_utils.report import verdicts as hypotheses
from stilts_utils.study.hypotheses import HYPOTHESES
from tests.fake_study import of_seeds

pytest_plugins = ["tests.fake_study"]
WITHIN = "left latency and throughput equivalent to those of duration 0 within ±2 %"


@pytest.fixture
def judged(found):
    """`judged(*verdicts)`: findings whose eight comparisons have these verdicts in turn, the last for the others too."""

    def make(*verdicts, **values):
        ratios = found.ratios.copy()
        real = ratios.index[ratios.verdict != "control"]
        ratios.loc[real, "verdict"] = [*verdicts, *[verdicts[-1]] * (len(real) - len(verdicts))]
        for name, value in values.items():
            ratios.loc[real[0], name] = value
        return dataclasses.replace(found, ratios=ratios)

    return make


@pytest.fixture
def moved(found):
    """`moved(target=(difference, low, high), ...)`: findings with other changes at the longest duration."""

    def make(**values):
        changes = found.changes.copy()
        for target, row in values.items():
            at = (changes.target == target) & (changes.language == MEAN) & (changes.duration == 16)
            at &= changes.intermediate == "temprel"
            changes.loc[at, ["difference", "low", "high"]] = row
        return dataclasses.replace(found, changes=changes)

    return make


def controls(found, **values):
    """Findings whose first setting has other values in the controls."""
    table = found.controls.copy()
    for name, value in values.items():
        table.loc[0, name] = value
    return dataclasses.replace(found, controls=table)


@pytest.mark.parametrize(
    ("verdicts", "said", "unsaid"),
    [
        (["equivalent"], WITHIN, "unusable"),
        (["unusable", "equivalent"], f"{WITHIN} .* 1 of 8 comparisons are unusable", "changed"),
        (["different", "different", "equivalent"], "changed latency in 2 of 8 comparisons", "equivalent"),
        (
            ["different", "unusable", "undecided"],
            "changed latency in 1 of 8 .* 1 of 8 comparisons are unusable",
            "left",
        ),
        (["undecided", "equivalent"], "did not show a change of latency; 7 of 8 .*, 1 undecided", "left"),
        (["undecided"], "did not show a change of latency; 0 of 8", "left"),
        (["unusable"], "^The timings are unusable.*no verdict on latency.$", "16 steps"),
    ],
)
def test_the_answer_follows_the_verdicts(judged, verdicts, said, unsaid):
    answer = sentences.answer(judged(*verdicts))
    assert pd.Series([answer]).str.contains(said, regex=True).all(), answer
    assert unsaid not in answer


def test_the_answer_holds_the_numbers_of_usable_comparisons(judged):
    found = judged("unusable", "equivalent", low=0.5, high=1.5, detectable=0.4)
    cells = sentences.dense(found).query("verdict != 'unusable'")
    answer = sentences.answer(found)
    assert f"between {sentences.percent(cells.low.min())} and {sentences.percent(cells.high.max())}" in answer
    assert "between −0.15 % and +0.55 %; an effect of 0.4 % would" in answer
    found = judged("equivalent", detectable=0.0123)
    assert "an effect of 1.2 % would have been detected with 80 % power in every comparison" in sentences.answer(found)


def test_the_answer_on_quality_has_raised_lowered_and_undecided_targets(found):
    assert sentences.answer_quality(found).startswith(
        "Over 16 steps, temprel raised mc_facts (+20.0 [+12.1, +28.3]); it lowered retr_bitext (−20.0 [−3"
    )
    assert "; it left dtag (+0.0 [−10.0, +9.2]) undecided (points, mean over languages" in sentences.answer_quality(
        found
    )
    assert sentences.answer_quality(found).endswith(", 2 seeds).")
    assert "; it left 1 of 3 targets undecided (points" in sentences.answer_quality(found, brief=True)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [(3, 1, 5), (2, 1, 3), (1, 0.5, 2)],
            "raised mc_facts (+3.0 [+1.0, +5.0]), dtag (+2.0 [+1.0, +3.0]; not above a shortcut; not above the same steps "
            "on it) and retr_bitext (+1.0 [+0.5, +2.0]) (points",
        ),
        (
            [(-3, -5, -1), (-2, -3, -1), (0, -1, 1)],
            "lowered mc_facts (−3.0 [−5.0, −1.0]) and dtag (−2.0 [−3.0, −1.0]; not above a shortcut); ",
        ),
        ([(0, -1, 1), (0, -2, 2), (0, 0, 0)], "left mc_facts (+0.0 [−1.0, +1.0]), dtag (+0.0 [−2.0, +2.0]) and retr"),
    ],
)
def test_the_answer_on_quality_lists_targets(moved, rows, said):
    answer = sentences.answer_quality(moved(**dict(zip(("mc_facts", "dtag", "retr_bitext"), rows, strict=True))))
    assert f"temprel {said}" in answer


def test_controls_that_pass_and_fail_are_counted(found):
    assert sentences.answer_controls(found).startswith("Controls passed in 4 of 4 settings")
    assert "a planted slow-down of 2 % was found" in sentences.answer_controls(found)
    failed = controls(found, usable=False, reason="A/A ratio does not cover 1", aa_low=1.01, aa_high=1.05)
    assert sentences.answer_controls(failed).startswith("Controls passed in 3 of 4 settings")
    assert "covers 1 in 3 of 4 settings (from −0.27 % to +5.00 %)" in sentences.aa_summary(failed)
    assert "found in 4 of 4 settings" in sentences.planted_summary(failed)
    blind = controls(found, usable=False, reason="planted slow-down not found", planted_ratio=1.0)
    assert "of 2 % read +0.00 %, +2.00 %, +2.00 % and +2.00 %; it was found in 3 of 4" in sentences.planted_summary(
        blind
    )
    none = dataclasses.replace(found, controls=found.controls.assign(usable=False))
    assert sentences.answer_controls(none) == "Controls passed in none of 4 settings: these timings cannot be used."


def test_disturbance_is_counted(found):
    noise = found.tables["noise"].copy()
    noise.loc[0, ["disturbed", "foreign_share"]] = [True, 0.25]
    said = sentences.disturbed_summary(dataclasses.replace(found, tables=found.tables | {"noise": noise}))
    assert said.startswith("1 of 16 timed stretches were disturbed; other processes took at most 25.0 % of the machine")
    assert said.endswith("1 of 160 blocks stalled and were dropped.")


def test_a_target_is_compared_with_its_best_shortcut_and_its_trivial_baseline(found):
    """In de the n-grams are above the model and the majority is not: only the majority is the trivial baseline."""
    well, not_well = sentences.above_shortcuts(found).split(" Not so: ")
    assert "mc_facts (English 52 against 30; above the trivial baseline in 3 of 3 languages)" in well
    assert "retr_bitext (mean over languages 62 against 2; above the trivial baseline in 2 of 2 languages)" in well
    assert not_well == "dtag (English 52 against 70; above the trivial baseline in 3 of 3 languages)."


@pytest.mark.parametrize(
    ("score", "said"), [(99.0, "^Not so: "), (0.0, "^At duration 0 above every shortcut and(?!.*Not so)")]
)
def test_all_targets_may_be_on_one_side_of_their_shortcuts(found, score, said):
    shortcuts = found.tables["shortcuts"].assign(score=score)
    text = sentences.above_shortcuts(dataclasses.replace(found, tables=found.tables | {"shortcuts": shortcuts}))
    assert pd.Series([text]).str.contains(said).all(), text


def verdict(found, number):
    rows = hypotheses.verdicts(found)
    assert rows["No."].tolist() == hypotheses.registered(found)["No."].tolist() == list(HYPOTHESES)
    return rows.set_index("No.").loc[number, ["Verdict", "Because"]].tolist()


@pytest.mark.parametrize(
    ("verdicts", "expected", "because"),
    [
        (["equivalent"], "confirmed", "8 equivalent of all settings and durations"),
        (["undecided", "equivalent"], "undecided", "7 equivalent and 1 undecided of all"),
        (["unusable", "equivalent"], "undecided", "7 equivalent and 1 unusable of all"),
        (["different", "undecided", "equivalent"], "refuted", "6 equivalent, 1 different and 1 undecided of all"),
    ],
)
def test_h1_is_equivalence_in_every_comparison(judged, verdicts, expected, because):
    said = verdict(judged(*verdicts), "H1")
    assert said[0] == expected and said[1].startswith(because)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("disturbed", "undecided"),
        ("too few blocks left in a process", "undecided"),
        ("agrees with eager in 90.0 % only", "undecided"),
        ("planted slow-down timed in fewer than 2 processes", "undecided"),
        ("A/A ratio does not cover 1", "refuted"),
        ("planted slow-down not found; disturbed", "refuted"),
        ("planted slow-down reads too small", "refuted"),
    ],
)
def test_h2_is_refuted_by_a_control_that_failed_and_not_by_a_disturbance(found, reason, expected):
    assert verdict(found, "H2") == ["confirmed", "every control passed in every setting"]
    assert verdict(controls(found, usable=False, reason=reason), "H2") == [expected, f"bf16 at batch 1: {reason}"]


def test_h1_names_the_engines_that_did_not_run(found):
    assert verdict(found, "H1")[1].endswith("; not run on this machine: ort")
    engines = found.tables["engines"]
    every = dataclasses.replace(found, tables=found.tables | {"engines": engines[engines.reason == ""]})
    assert "not run" not in verdict(every, "H1")[1]


def test_h3_holds_where_the_change_and_the_control_exclude_0(found, moved):
    few = verdict(found, "H3")
    assert few[0] == "undecided" and few[1].endswith("; fewer than 5 seeds")
    said = verdict(of_seeds(found), "H3")
    assert said[0] == "undecided: holds in 2 of 3"
    assert "mc_facts after temprel +20.0 [+12.1, +28.3], against the control +10.0 [+4.2, +15.8]; dtag after" in said[1]
    assert said[1].endswith("retr_bitext after temprel −20.0 [−30.0, −10.6]")  # there is no control to beat
    everywhere = of_seeds(moved(dtag=(2.0, 1.0, 3.0)))
    assert verdict(everywhere, "H3")[0] == "undecided: holds in 2 of 3"  # not above the control
    over = found.over_control.copy()
    over.loc[over.target == "dtag", ["low", "high"]] = [1.0, 2.0]
    assert verdict(dataclasses.replace(everywhere, over_control=over), "H3")[0] == "confirmed"
    lacking = verdict(dataclasses.replace(everywhere, over_control=over[over.target != "dtag"]), "H3")
    assert (
        lacking[0] == "undecided: holds in 2 of 3"
        and "dtag after temprel +2.0 [+1.0, +3.0], no control at 16" in lacking[1]
    )
    over.loc[over.target == "dtag", ["low", "high"]] = [-2.0, -1.0]  # better than duration 0, worse than the control
    contradicted = verdict(dataclasses.replace(everywhere, over_control=over), "H3")[0]
    assert contradicted == "refuted: contradicted in 1, holds in 2 of 3"


@pytest.mark.parametrize(
    ("last", "gap", "expected"),
    [
        ((-20.0, -28.8, -11.2), (-18.0, -25.0, -9.0), "confirmed"),
        ((-2.0, -5.0, 1.0), (-18.0, -25.0, -9.0), "undecided: holds in 0 of 1"),
        ((-20.0, -28.8, -11.2), (-1.0, -4.0, 2.0), "undecided: holds in 0 of 1"),  # the middle may have fallen as much
        ((5.0, 2.0, 8.0), (-1.0, -4.0, 2.0), "refuted: contradicted in 1, holds in 0 of 1"),
        ((-20.0, -28.8, -11.2), (3.0, 1.0, 5.0), "refuted: contradicted in 1, holds in 0 of 1"),
    ],
)
def test_h4_asks_for_a_fall_at_the_last_layer_and_a_smaller_one_in_the_middle(found, last, gap, expected):
    changes, gaps = found.layer_changes.copy(), found.layer_gaps.copy()
    changes.loc[(changes.layer == found.depth) & (changes.duration == 16), ["difference", "low", "high"]] = last
    gaps.loc[gaps.duration == 16, ["difference", "low", "high"]] = gap
    changed = dataclasses.replace(found, layer_changes=changes, layer_gaps=gaps)
    assert verdict(of_seeds(changed), "H4")[0] == expected
    assert verdict(changed, "H4")[0] == "undecided"


def test_h4_has_nothing_to_say_without_retrieval(found):
    without = dataclasses.replace(found, layer_changes=found.layer_changes.iloc[:0])
    assert verdict(without, "H4") == ["undecided", "no retrieval target"]


def test_h5_compares_tokens_with_latency(found, judged):
    said = "tokens differ 2.00-fold between languages, latency at most 1.007-fold between durations"
    assert verdict(found, "H5") == ["confirmed", said]
    assert verdict(judged("equivalent", high=2.5), "H5")[0] == "undecided"
    assert verdict(judged("equivalent", ratio=2.5, high=2.6), "H5")[0] == "refuted"
    assert verdict(judged("unusable", "equivalent", high=2.5), "H5") == ["confirmed", said]
    assert verdict(judged("unusable"), "H5") == ["undecided", "the timings are unusable"]


def test_every_claim_has_a_sentence_with_its_numbers(found):
    claims = sentences.claims(found)
    assert list(claims) == [f"claim_{number}" for number in range(1, 10)]
    assert all(text.endswith(".") and (text[0].isupper() or text[0].isdigit()) for text in claims.values())
    assert "in points: temprel +0.0 (" in claims["claim_1"]  # of +20, 0 and -20
    assert "retr_bitext +0.0 [+0.0, +0.0] at layer 2; retr_bitext −20.0" in claims["claim_3"]
    assert claims["claim_4"].startswith("Classification: mc_facts +20.0 [+12.1, +28.3] (stand-ins")
    assert "+5.0 points" in claims["claim_5"]  # of +20, 0 and -5, the smaller fall of two
    assert "3 layers of a tiny random encoder" in claims["claim_7"]
    assert claims["claim_9"].startswith("1 here: temprel; ")


def test_claims_name_the_intermediate_task_where_there_are_several(found):
    other = found.changes[found.changes.intermediate == "temprel"].assign(intermediate="nli_num")
    about = found.provenance | {
        "study": found.study | {"intermediate": dict.fromkeys(["temprel", "nli_num"], {"durations": None, "tasks": []})}
    }
    changes = pd.concat([found.changes, other], ignore_index=True)
    claims = sentences.claims(dataclasses.replace(found, changes=changes, provenance=about))
    assert "temprel +0.0" in claims["claim_1"] and "nli_num +0.0" in claims["claim_1"]
    assert "mc_facts after temprel +20.0" in claims["claim_4"] and "mc_facts after nli_num +20.0" in claims["claim_4"]
    assert claims["claim_9"].startswith("2 here: temprel and nli_num; ")


def test_claims_without_the_targets_they_are_about_say_so(found):
    none = dataclasses.replace(
        found,
        changes=found.changes[found.changes.target == "dtag"],
        layer_changes=found.layer_changes.iloc[:0],
        provenance=found.provenance | {"study": found.study | {"targets": {"dtag": {}}}},
    )
    assert "no retrieval target" in sentences.claims(none)["claim_3"]
    assert sentences.claims(none)["claim_4"].startswith("No such target (")


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.012, "+1.20 %"), (0.98, "−2.00 %"), (1.0, "+0.00 %"), (0.99999, "+0.00 %"), (2.0, "+100.00 %")],
)
def test_a_ratio_is_a_signed_change(ratio, text):
    assert sentences.percent(ratio) == text


def test_a_difference_has_its_interval_and_no_negative_zero():
    row = pd.Series({"difference": -0.04, "low": -12.34, "high": 0.06})
    assert sentences.points(row) == "+0.0 [−12.3, +0.1]"


@pytest.mark.parametrize(("names", "text"), [([], ""), (["a"], "a"), ([1, 2], "1 and 2"), ("abc", "a, b and c")])
def test_names_are_listed(names, text):
    assert sentences.listed(names) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [("packaged", "multilingual-e5-small"), ("random", "a tiny random encoder"), ("org/model", "org/model")],
)
def test_an_encoder_is_named_for_readers(found, name, shown):
    about = found.provenance | {"encoder": found.provenance["encoder"] | {"name": name}}
    assert sentences.encoder_name(dataclasses.replace(found, provenance=about)) == shown


def test_the_same_requests_in_all_processes_are_said(found):
    assert sentences.requests_asked(found).startswith("All processes have the same requests")
    timings = found.tables["timings"]
    other = found.tables | {"timings": timings.assign(tokens=timings.tokens + timings.replicate)}
    assert sentences.requests_asked(dataclasses.replace(found, tables=other)).startswith(
        "Every process has requests of its own"
    )
