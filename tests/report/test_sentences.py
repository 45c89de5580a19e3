import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from stilts_utils.analysis.findings import beside_shortcuts
from stilts_utils.report import sentences
from stilts_utils.report.formats import change
from tests.fake_study import not_learned, of_seeds, with_control

pytest_plugins = ["tests.fake_study"]
WITHIN = "left latency equivalent to that of duration 0 within ±2 %"


@pytest.mark.parametrize(
    ("verdicts", "said", "unsaid"),
    [
        (["equivalent"], WITHIN, "unusable"),
        (["not measured", "equivalent"], f"{WITHIN} .* 1 of 8 not measured: unusable", "changed"),
        (["changed", "changed", "equivalent"], "changed latency in 2 of 8 comparisons", "equivalent"),
        (
            ["changed", "not measured", "undecided"],
            "changed latency in 1 of 8 .* 1 of 8 not measured: unusable",
            "left",
        ),
        (["undecided", "equivalent"], "did not show a change of latency; 7 of 8 .*, 1 undecided", "left"),
        (["undecided"], "did not show a change of latency; 0 of 8", "left"),
        (["not measured"], "^Latency was not measured.*timings are unusable.$", "16 steps"),
    ],
)
def test_the_answer_follows_the_verdicts(judged, verdicts, said, unsaid):
    answer = sentences.answer(judged(*verdicts))
    assert pd.Series([answer]).str.contains(said, regex=True).all(), answer
    assert unsaid not in answer


def test_the_answer_holds_the_numbers_of_usable_comparisons(judged):
    found = judged("not measured", "equivalent", low=0.5, high=1.5, detectable=0.4)
    cells = sentences.dense(found).query("verdict != 'not measured'")
    answer = sentences.answer(found)
    assert f"between {change(cells.low.min())} and {change(cells.high.max())}" in answer
    assert "between −0.15 % and +0.55 %; an effect of 0.4 % would" in answer
    found = judged("equivalent", detectable=0.0123)
    assert "an effect of 1.2 % would have been detected with 80 % power in every comparison" in sentences.answer(found)


def test_the_answer_on_quality_has_raised_lowered_and_undecided_targets(found):
    answer = sentences.answer_quality(of_seeds(found))
    assert answer.startswith(
        "Over 16 steps, temprel raised mc_facts (+20.0 [+12.1, +28.3]); it lowered retr_bitext (−20.0 [−3"
    )
    assert "; it left dtag undecided (points, mean over languages" in answer
    assert answer.endswith(", 5 seeds).")


def test_with_few_seeds_no_change_of_quality_is_claimed(found):
    answer = sentences.answer_quality(found)
    assert "raised" not in answer and "lowered" not in answer and "left mc_facts, dtag and" in answer
    few = "It rests on 2 seeds, fewer than the 5 that a claim of an effect asks for."
    assert sentences.rests_on(found) == few and sentences.rests_on(of_seeds(found)) == "It rests on 5 seeds."


def test_what_was_not_learned_is_named_and_not_counted(found):
    few = of_seeds(not_learned(found, "mc_facts"))
    said = sentences.answer_quality(few)
    assert said.startswith("Over 16 steps, temprel lowered retr_bitext (−20.0 [") and "raised" not in said
    assert sentences.rests_on(few) == "It rests on 5 seeds. Not learned, so not counted: mc_facts."
    none = not_learned(found, "temprel")
    assert sentences.answer_quality(none) == "Nothing is said of a change of quality."
    assert sentences.rests_on(none).endswith(" Not learned, so not counted: training on temprel.")
    assert sentences.search(not_learned(found, "temprel")) == "Vector search is not counted: temprel was not learned."


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
        ([(0, -1, 1), (0, -2, 2), (0, 0, 0)], "left mc_facts, dtag and retr_bitext undecided"),
    ],
)
def test_the_answer_on_quality_lists_targets(moved, rows, said):
    changed = moved(**dict(zip(("mc_facts", "dtag", "retr_bitext"), rows, strict=True)))
    assert f"temprel {said}" in sentences.answer_quality(of_seeds(changed))


def test_controls_that_pass_and_fail_are_counted(found):
    assert sentences.answer_controls(found).startswith("Controls passed in 4 of 4 settings")
    assert "a planted slow-down of 2 % was found" in sentences.answer_controls(found)
    failed = with_control(found, usable=False, reason="A/A ratio does not cover 1", aa_low=1.01, aa_high=1.05)
    assert sentences.answer_controls(failed).startswith("Controls passed in 3 of 4 settings")
    assert "covers 1 in 3 of 4 settings (from −0.27 % to +5.00 %)" in sentences.aa_summary(failed)
    assert "found in 4 of 4 settings" in sentences.planted_summary(failed)
    blind = with_control(found, usable=False, reason="planted slow-down not found", planted_ratio=1.0)
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
    well, not_well = sentences.targets_above_shortcuts(found).split(" Not so: ")
    assert well.startswith("At duration 0, 2 of 3 targets are above every shortcut in English")
    every = [text for _, above, text in beside_shortcuts(found) if above]
    assert every == [
        "mc_facts (English 52 against 30; above the trivial baseline in 3 of 3 languages)",
        "retr_bitext (mean over languages 62 against 2; above the trivial baseline in 2 of 2 languages)",
    ]
    assert not_well == "dtag (English 52 against 70; above the trivial baseline in 3 of 3 languages)."


@pytest.mark.parametrize(
    ("score", "said"),
    [(99.0, "^At duration 0, none of 3 .* Not so: "), (0.0, "^At duration 0, 3 of 3 targets(?!.*Not so)")],
)
def test_all_targets_may_be_on_one_side_of_their_shortcuts(found, score, said):
    shortcuts = found.tables["shortcuts"].assign(score=score)
    text = sentences.targets_above_shortcuts(dataclasses.replace(found, tables=found.tables | {"shortcuts": shortcuts}))
    assert pd.Series([text]).str.contains(said).all(), text


@pytest.mark.parametrize(
    ("name", "shown"),
    [("packaged", "multilingual-e5-small"), ("random", "a tiny random encoder"), ("org/model", "org/model")],
)
def test_an_encoder_is_named_for_readers(found, name, shown):
    about = found.provenance | {"encoder": found.provenance["encoder"] | {"name": name}}
    assert sentences.encoder_name(dataclasses.replace(found, provenance=about)) == shown


def test_the_same_requests_in_all_processes_are_said(found):
    assert sentences.requests_differ(found).startswith("All processes have the same requests")
    timings = found.tables["timings"]
    other = found.tables | {"timings": timings.assign(tokens=timings.tokens + timings.replicate)}
    assert sentences.requests_differ(dataclasses.replace(found, tables=other)).startswith(
        "Every process has requests of its own"
    )


def test_the_work_of_search_is_said(found):
    said = sentences.search(found)
    # Candidates compared, means over languages: 100 at duration 0; 300 and 100 after 16 steps, in seeds 1 and 2.
    logs = np.log([3.0, 1.0])
    half = scipy.stats.t.ppf(0.975, 1) * logs.std(ddof=1) / np.sqrt(2)
    low, high = (
        f"{100 * (np.exp(end) - 1):+,.0f} %".replace("-", "−") for end in (logs.mean() - half, logs.mean() + half)
    )
    assert said == (
        "After 16 steps, a graph index tuned to 95 % of what exact search finds compared 173 candidates a query, against 100 "
        f"at duration 0 and 450 by exact search (+73 %, 95 % interval {low} to {high} over 2 seeds; that of "
        "duration 0 is one graph, whose own noise is in no interval; on other queries than it was tuned on, where it found "
        "95 % and 97 %; means over 1 languages)."
    )
    searches = found.tables["searches"]
    one = dataclasses.replace(found, tables=found.tables | {"searches": searches[searches.seed == 1]})
    assert "(+200 %, one seed, so without an interval; that of duration 0" in sentences.search(one)


@pytest.mark.parametrize(
    ("precision", "shallow", "expected"),
    [
        ("bf16", 2, "The encoder has 3 layers and was trained in bf16."),
        (
            "fp32",
            None,
            "The encoder has 3 layers and was trained in fp32, because the machine has no bfloat16 instructions.",
        ),
        (
            "fp32",
            3,
            "The encoder has 3 layers and was trained in fp32, because the machine has no bfloat16 instructions; with them, "
            "it keeps all layers and trains in bf16. That is another model, so its numbers differ.",
        ),
    ],
)
def test_layers_and_precision_are_said_with_the_reason(found, precision, shallow, expected):
    about = found.provenance | {"encoder": found.provenance["encoder"] | {"precision": precision}}
    about["settings"] = {"layers": None, "layers_without_bf16": shallow}
    assert sentences.as_trained(dataclasses.replace(found, provenance=about)) == expected
