"""The answer, the tables and the outcomes of hypotheses say the same of one effect, in every stored study."""

import re

import pytest

from stilts_utils import ROOT
from stilts_utils.analysis import findings
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, UNDECIDED
from stilts_utils.report import sentences, tables_quality, verdicts
from stilts_utils.study.hypotheses import LEAST_SEEDS
from stilts_utils.tables import provenance
from stilts_utils.tasks import TASKS, task

SIGNS = {"raised": 1, "lowered": -1}


@pytest.fixture(scope="module", params=provenance.stored())
def found(request):
    return findings.analyse(ROOT / "results" / request.param)


def claimed(text):
    """(arm, target) -> direction, of every change that an answer claims."""
    made = {}
    for arm, said in re.findall(r"Over \d+ steps, (\w+) (.*?)(?=Over \d+ steps|$)", text):
        for verb in SIGNS:
            for part in re.findall(rf"{verb} (.*?)(?=; it |\(points|\. Not|$)", said):
                names = re.findall(r"(\w+) \([+−]", part)
                made |= {(arm, name): SIGNS[verb] for name in names if name in TASKS}
    return made


def test_every_change_that_is_claimed_has_the_verdict_and_every_verdict_is_claimed(found):
    rows = sentences.at_longest(found, found.verdicts)
    changed = rows[rows.verdict == CHANGED]
    expected = {(row.intermediate, row.target): row.direction for row in changed.itertuples()}
    assert claimed(sentences.answer_quality(found)) == expected


def test_what_was_not_learned_is_in_no_claim(found):
    rows = found.verdicts[found.verdicts.verdict == NOT_LEARNED]
    said = claimed(sentences.answer_quality(found))
    assert not said.keys() & set(zip(rows.intermediate, rows.target, strict=True))
    for name in set(rows.target[~rows.target.map(found.learned.target)]):
        assert name in sentences.unlearned(found)


def test_hypotheses_say_of_an_effect_what_the_answer_says(found):
    outcomes = verdicts.verdicts(found).set_index("No.")
    rows = sentences.at_longest(found, found.verdicts)
    for row in rows[rows.verdict != NOT_LEARNED].itertuples():
        text = re.search(rf"{row.target} after {row.intermediate} [^;]*?: ([a-z ]+)", outcomes.Because["H3"])
        assert text and text[1].strip() == row.verdict
    if len(found.study["seeds"]) < LEAST_SEEDS:
        assert not (rows.verdict == CHANGED).any()
        assert set(outcomes.Verdict[["H3", "H4", "H6", "H7"]]) <= {UNDECIDED, NOT_LEARNED, "not measured"}
    if outcomes.Verdict["H4"] == "confirmed":
        own = rows[~rows.target.map(lambda name: task(name).trainable)]
        assert (own.direction == -1).all()
    if found.timed:
        kinds = set(sentences.dense(found).verdict)
        assert (outcomes.Verdict["H1"] == "confirmed") == (kinds == {EQUIVALENT})
        assert (
            (outcomes.Verdict["H1"] == "refuted")
            == (CHANGED in kinds)
            == ("changed latency" in sentences.answer(found))
        )
        given = sentences.exit_verdict(found).kind
        expected = {CHANGED: "confirmed", EQUIVALENT: "refuted"}.get(given, given)
        assert outcomes.Verdict["H6"] == expected


def test_tables_say_what_the_frame_says(found):
    shown = tables_quality.quality(found).shown
    rows = found.verdicts.set_index(["target", "intermediate", "duration"])
    for row in shown[shown.Verdict != ""].to_dict("records"):
        assert row["Verdict"].startswith(rows.verdict[row["Target"], row["Trained on"], row["Steps"]])
