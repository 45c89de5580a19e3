"""The sentences, the tables and the outcomes of hypotheses say the same of one effect, in the report of every stored study."""

import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, NOT_MEASURED, UNDECIDED
from stilts_utils.report import readme
from stilts_utils.study.hypotheses import LEAST_SEEDS
from stilts_utils.study.settings import CACHE, CONTROL, PRETRAINED
from stilts_utils.tables import provenance
from stilts_utils.tasks import TASKS, task

SIGNS = {"raised": 1, "lowered": -1}


@pytest.fixture(scope="module")
def reports():
    """The reports of all stored studies, kept with this checkout: its book is built from the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(CACHE, raising=False)
        return readme.reports()


@pytest.fixture(params=provenance.stored())
def report(reports, request):
    """Numbers, outcomes by number of the hypothesis, models against floors, verdicts on latency and quality at the longest."""
    folder = reports[request.param]
    read = {path.stem: pd.read_csv(path) for path in (folder / "generated").glob("*.csv") if path.stem in NAMES}
    for frame in read.values():  # verdicts without their half-widths
        frame.update({"verdict": frame.verdict.str.split(" (", regex=False).str[0]} if "verdict" in frame else {})
    rows = read["quality"][~read["quality"].intermediate.isin([PRETRAINED, CONTROL])]
    return SimpleNamespace(
        numbers=json.loads((folder / "numbers.json").read_text(encoding="utf8")),
        about=json.loads((folder / "answer.json").read_text(encoding="utf8"))["about"],
        outcomes=read["hypotheses"].set_index("number"),
        learned=read["learned"],
        latency=set(read["latency"].verdict) - {"control"} if "latency" in read else set(),
        rows=rows[rows.duration == rows.groupby("intermediate").duration.transform("max")],
    )


NAMES = ("hypotheses", "learned", "latency", "quality")


def claimed(text):
    """(arm, target) -> direction, of every change that an answer claims."""
    made = {}
    for arm, said in re.findall(r"Over [\d,]+ steps, (\S+) (.*?)(?=Over [\d,]+ steps|$)", text):
        for verb in SIGNS:
            for part in re.findall(rf"{verb} (.*?)(?=; it |\(points|$)", said):
                names = re.findall(r"(\w+) \([+−]", part)
                made |= {(arm, name): SIGNS[verb] for name in names if name in TASKS}
    return made


def test_every_change_that_is_claimed_has_the_verdict_and_every_verdict_is_claimed(report):
    changed = report.rows[report.rows.verdict == CHANGED]
    expected = {(row.intermediate, row.target): row.direction for row in changed.itertuples()}
    assert claimed(report.numbers["answer_quality_sentence"]) == expected


def test_what_was_not_learned_is_in_no_claim(report):
    rows = report.rows[report.rows.verdict == NOT_LEARNED]
    said = claimed(report.numbers["answer_quality_sentence"])
    assert not said.keys() & set(zip(rows.intermediate, rows.target, strict=True))
    models = report.learned[(report.learned.role == "target") & (report.learned.duration == 0)]
    for name in models.task[models.standing == NOT_LEARNED]:
        assert name in report.numbers["rests_sentence"]


def test_hypotheses_say_of_an_effect_what_the_answer_says(report):
    outcomes, rows = report.outcomes, report.rows
    for row in rows[rows.verdict != NOT_LEARNED].itertuples():
        text = re.search(rf"{row.target} after {row.intermediate} [^;]*?: ([a-z ]+)", outcomes.because["H3"])
        assert text and text[1].strip() == row.verdict
    if report.about["seeds"] < LEAST_SEEDS:
        assert not (rows.verdict == CHANGED).any()
        assert set(outcomes.verdict[["H3", "H4", "H6", "H7"]]) <= {UNDECIDED, NOT_LEARNED, NOT_MEASURED}
    if outcomes.verdict["H4"] == "confirmed":
        own = rows[~rows.target.map(lambda name: task(name).trainable)]
        assert (own.direction == -1).all()
    if report.about["timed"]:
        refuted = outcomes.verdict["H1"] == "refuted"
        assert (outcomes.verdict["H1"] == "confirmed") == (report.latency == {EQUIVALENT})
        assert refuted == (CHANGED in report.latency) == ("changed latency" in report.numbers["answer_sentence"])
