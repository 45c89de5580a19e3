import dataclasses

import pytest

from stilts_utils.analysis.verdict import KINDS
from stilts_utils.report import exit_sentences, tables_deployment, verdicts
from stilts_utils.study.hypotheses import HYPOTHESES
from tests.fake_study import not_learned, of_seeds, with_control

pytest_plugins = ["tests.fake_study"]


def verdict(found, number):
    rows = verdicts.verdicts(found)
    assert rows["No."].tolist() == verdicts.registered(found)["No."].tolist() == list(HYPOTHESES)
    return rows.set_index("No.").loc[number, ["Verdict", "Because"]].tolist()


@pytest.mark.parametrize(
    ("given", "expected", "because"),
    [
        (["equivalent"], "confirmed", "8 equivalent of all settings and durations"),
        (["undecided", "equivalent"], "undecided", "7 equivalent and 1 undecided of all"),
        (["not measured", "equivalent"], "undecided", "7 equivalent and 1 not measured of all"),
        (["changed", "undecided", "equivalent"], "refuted", "6 equivalent, 1 changed and 1 undecided of all"),
    ],
)
def test_h1_is_equivalence_in_every_comparison(judged, given, expected, because):
    said = verdict(judged(*given), "H1")
    assert said[0] == expected and said[1].startswith(because)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("disturbed", "undecided"),
        ("too few blocks left in a process", "undecided"),
        ("agrees with eager in 90.0 % only", "undecided"),
        ("planted slow-down timed in fewer than 2 processes", "undecided"),
        ("A/A ratio does not cover 1", "refuted"),
        ("A/A is not equivalent within ±2 %", "undecided"),
        ("planted slow-down not found; disturbed", "undecided"),  # its interval covers the planted size, and 1
        ("planted slow-down reads too small", "refuted"),
    ],
)
def test_h2_is_refuted_by_a_control_that_failed_and_not_by_a_disturbance(found, reason, expected):
    assert verdict(found, "H2") == ["confirmed", "every control passed in every setting"]
    assert verdict(with_control(found, usable=False, reason=reason), "H2") == [expected, f"bf16 at batch 1: {reason}"]


def test_h1_names_the_engines_that_did_not_run(found):
    assert verdict(found, "H1")[1].endswith("; not run on this machine: ort")
    engines = found.tables["engines"]
    every = dataclasses.replace(found, tables=found.tables | {"engines": engines[engines.reason == ""]})
    assert "not run" not in verdict(every, "H1")[1]


def test_h3_holds_where_the_change_and_the_control_exclude_0(found, moved):
    few = verdict(found, "H3")
    assert few[0] == "undecided" and few[1].endswith("; fewer than 5 seeds")
    said = verdict(of_seeds(found), "H3")
    assert said[0] == "undecided" and said[1].startswith("holds in 2 of 3: ")
    assert (
        "mc_facts after temprel +20.0 [+12.1, +28.3], against the control +10.0 [+4.2, +15.8]: changed; dtag after"
        in said[1]
    )
    assert said[1].endswith("retr_bitext after temprel −20.0 [−30.0, −10.6]: changed")  # there is no control to beat
    everywhere = of_seeds(moved(dtag=(2.0, 1.0, 3.0)))
    assert verdict(everywhere, "H3")[0] == "undecided"  # not above the control
    over = found.over_control.copy()
    over.loc[over.target == "dtag", ["low", "high"]] = [1.0, 2.0]
    assert verdict(dataclasses.replace(everywhere, over_control=over), "H3")[0] == "confirmed"
    uncontrolled = verdict(dataclasses.replace(everywhere, over_control=over[over.target != "dtag"]), "H3")
    assert (
        uncontrolled[0] == "undecided" and "dtag after temprel +2.0 [+1.0, +3.0], no control at 16" in uncontrolled[1]
    )
    over.loc[over.target == "dtag", ["low", "high"]] = [-2.0, -1.0]  # better than duration 0, worse than the control
    contradicted = verdict(dataclasses.replace(everywhere, over_control=over), "H3")
    assert contradicted[0] == "refuted" and contradicted[1].startswith("contradicted in 1, holds in 2 of 3: ")


@pytest.mark.parametrize(
    ("last", "gap", "expected"),
    [
        ((-20.0, -28.8, -11.2), (-18.0, -25.0, -9.0), "confirmed"),
        ((-2.0, -5.0, 1.0), (-18.0, -25.0, -9.0), "undecided"),
        ((-20.0, -28.8, -11.2), (-1.0, -4.0, 2.0), "undecided"),  # the middle may have fallen as much
        ((5.0, 2.0, 8.0), (-1.0, -4.0, 2.0), "refuted"),
        ((-20.0, -28.8, -11.2), (3.0, 1.0, 5.0), "refuted"),
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
    assert verdict(without, "H4") == ["not measured", "no retrieval target"]


def test_h5_compares_tokens_with_latency(found, judged):
    said = "tokens differ 2.00-fold between languages, latency at most 1.007-fold between durations"
    assert verdict(found, "H5") == ["confirmed", said]
    assert verdict(judged("equivalent", high=2.5), "H5")[0] == "undecided"
    assert verdict(judged("equivalent", ratio=2.5, high=2.6), "H5")[0] == "refuted"
    assert verdict(judged("not measured", "equivalent", high=2.5), "H5") == ["confirmed", said]
    assert verdict(judged("not measured"), "H5") == ["not measured", "the timings are unusable"]


def test_the_hypotheses_on_early_exit_follow_the_tables(found):
    few = verdicts.verdicts(found).set_index("No.")
    assert few.Verdict[["H6", "H7"]].tolist() == ["undecided", "undecided"]
    assert few.Because["H6"].startswith("−20.0 % [") and few.Because["H6"].endswith("; fewer than 5 seeds")
    assert few.Verdict["H9"] == "confirmed"
    seeds = (1, 2, 3, 4, 5)
    enough = dataclasses.replace(of_seeds(found, seeds), exits=dataclasses.replace(found.exits, seeds=seeds))
    rows = verdicts.verdicts(enough).set_index("No.")
    assert rows.Verdict[["H6", "H7"]].tolist() == ["confirmed", "confirmed"]
    small = enough.exit_effects.assign(ratio=1.003, low=1.001, high=1.004)  # a change, and too small to matter
    assert (
        verdicts.verdicts(dataclasses.replace(enough, exit_effects=small)).set_index("No.").Verdict["H6"] == "refuted"
    )
    noisy = dataclasses.replace(found, exit_controls=found.exit_controls.assign(usable=False, reason="disturbed"))
    assert "disturbed" in exit_sentences.answer_exits(noisy)
    made = tables_deployment.every(noisy)
    assert made["early_exit"].rest == "longer than 0 steps; these timings cannot be used, disturbed"
    assert set(made["equal_quality"].shown.Usable) == {"no: disturbed"}
    assert set(made["advice"].shown.Target) == {"mc_facts"}
    assert verdicts.verdicts(noisy).set_index("No.").Because["H6"] == "the timings are unusable: disturbed"


def test_h9_is_about_the_first_engine_that_ran(found):
    first, second = "fp32", "bf16"
    said = verdicts.verdicts(found).set_index("No.").Because["H9"]
    assert said.startswith(f"{first}: de ")
    of_first = (found.controls.engine == first) & (found.controls.batch_size == 1)
    failed = dataclasses.replace(found, controls=found.controls.assign(usable=~of_first))
    assert verdicts.verdicts(failed).set_index("No.").Because["H9"] == f"the timings of {first} are unusable"
    timings = found.tables["timings"]
    rest = dataclasses.replace(
        found,
        tables=found.tables | {"timings": timings[timings.engine != first]},
        controls=found.controls[found.controls.engine != first],
    )
    assert verdicts.verdicts(rest).set_index("No.").Because["H9"].startswith(f"{second}: de ")


@pytest.mark.parametrize(("lost", "verdict"), [(0.5, "confirmed"), (3.0, "refuted")])
def test_h8_is_on_int8_alone(found, lost, verdict):
    scores = found.tables["engine_scores"].replace({"engine": {"bf16": "ort_int8"}})
    scores = scores.assign(score=scores.reference_score - lost * (scores.engine == "ort_int8"))
    changed = dataclasses.replace(found, tables=found.tables | {"engine_scores": scores})
    assert verdicts.verdicts(changed).set_index("No.").Verdict["H8"] == verdict


def test_what_needs_timings_is_not_measured_where_there_are_none(untimed_found, found):
    verdict = verdicts.verdicts(untimed_found).set_index("No.")
    absent = verdict[verdict.Because == "this study was not timed"]
    assert set(absent.index) == set(verdicts.NEED_TIMINGS) and set(absent.Verdict) == {"not measured"}
    by_depth = ["H10", "H11"]  # there are no seconds to compare
    assert verdict.Because[by_depth].str.contains("of the mean exit layer").all()
    others = verdict.drop([*absent.index, *by_depth])
    assert others.equals(verdicts.verdicts(found).set_index("No.").loc[others.index]) and "H7" in others.index


def test_what_was_not_learned_is_no_case_of_a_hypothesis(found, moved):
    five = of_seeds(moved(dtag=(2.0, 1.0, 3.0)))
    assert verdict(five, "H3")[0] == "undecided"
    assert verdict(not_learned(five, "dtag"), "H3")[0] == "confirmed"
    assert "dtag" not in verdict(not_learned(five, "dtag"), "H3")[1]
    for number in ("H3", "H4", "H6"):
        assert verdict(not_learned(five, "temprel"), number)[0] == "not learned"
    assert verdict(not_learned(found, "mc_facts"), "H8")[0] == "not measured"  # no int8 was run
    scores = found.tables["engine_scores"].replace({"engine": {"bf16": "ort_int8"}})
    int8 = dataclasses.replace(found, tables=found.tables | {"engine_scores": scores})
    assert verdict(not_learned(int8, "mc_facts"), "H8")[0] == "not learned"
    exits = found.tables["exits"].assign(correct=0.2)
    wrong = dataclasses.replace(found, tables=found.tables | {"exits": exits})
    assert [verdict(wrong, number)[0] for number in ("H6", "H7")] == ["not learned", "not learned"]
    assert exit_sentences.answer_exits(wrong) == "Early exit is not counted: mc_facts was not learned."


def test_outcomes_have_one_vocabulary(found, untimed_found, judged):
    allowed = {*KINDS, "confirmed", "refuted"} - {"equivalent", "changed"}
    for one in (found, of_seeds(found), untimed_found, judged("not measured"), not_learned(found, "temprel")):
        assert set(verdicts.verdicts(one).Verdict) <= allowed
