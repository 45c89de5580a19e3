import dataclasses
import json

import pytest

from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, NOT_MEASURED, UNDECIDED
from stilts_utils.report import answer, answer_rows
from stilts_utils.report.answer_rows import QUESTIONS, Row

ABOUT = {"title": "A study", "real": False, "layers": 12, "seeds": 5, "steps": 2048, "timed": True, "device": "CPU"}


def store(folder, about=ABOUT, **rows):
    """A report with these rows; the others are not measured."""
    made = [dataclasses.asdict(rows.get(name, Row(name, NOT_MEASURED))) for name in QUESTIONS]
    folder.mkdir()
    (folder / answer_rows.FILE).write_text(json.dumps({"about": about, "rows": made}), encoding="utf8")
    return folder


def row(question, verdict, direction=0, change=0.0, low=-1.0, high=1.0, seeds=5, steps=2048, cases=1):
    return Row(question, verdict, direction, change, low, high, "a setting", cases, 1, steps, seeds)


@pytest.mark.parametrize(
    ("real", "stand_in", "leads"),
    [
        (row("dense", UNDECIDED, seeds=2, steps=16), row("dense", EQUIVALENT), "real"),
        (Row("dense", NOT_LEARNED), row("dense", UNDECIDED), "stand_in"),
        (Row("dense", NOT_MEASURED), Row("dense", NOT_LEARNED), "real"),
    ],
)
def test_real_data_lead_if_they_answer(tmp_path, real, stand_in, leads):
    about = ABOUT | {"real": True}
    reports = {"stand_in": store(tmp_path / "a", dense=stand_in), "real": store(tmp_path / "b", about, dense=real)}
    assert answer.strongest(reports)[0].study == leads


def test_then_seeds_up_to_five_then_steps(tmp_path):
    few, long, many = (
        row("dense", UNDECIDED, seeds=3),
        row("dense", UNDECIDED),
        row("dense", UNDECIDED, seeds=9, steps=16),
    )
    reports = {name: store(tmp_path / name, dense=one) for name, one in (("few", few), ("long", long), ("many", many))}
    assert [one.study for one in answer.read(reports)["dense"]] == ["long", "many", "few"]


def given(tmp_path, **rows):
    return answer.strongest({"one": store(tmp_path / "one", **rows)})


def test_a_null_is_said_as_one_and_advice_follows(tmp_path):
    rows = given(tmp_path, dense=row("dense", EQUIVALENT, low=-0.01, high=0.01))
    assert answer.headline(rows) == "Longer intermediate training leaves dense latency as it is."
    assert answer.advice(rows) == ["Choose duration by quality: a dense model costs the same after any."]
    assert "| Latency of a dense model | equivalent | +0.0 % [−1.0, +1.0] | [A](x/one) |" in answer.table(
        rows, "x/{}".format
    )
    assert "| Throughput under load | not measured | – | – |" in answer.table(rows, str)


def test_a_study_alone_shows_what_every_row_is_about(tmp_path):
    folder = store(tmp_path / "one", dense=row("dense", EQUIVALENT, low=-0.01, high=0.01))
    said = json.loads((folder / answer_rows.FILE).read_text(encoding="utf8"))
    made = answer.alone(answer.of_study("one", said))
    first = ["Latency of a dense model", "equivalent", "+0.0 % [−1.0, +1.0]", "a setting"]
    assert made.shown.iloc[0].tolist() == first and len(made.shown) == len(QUESTIONS)
    assert set(made.shown.iloc[1:].Farthest) == {"–"} and made.data.low[0] == -0.01
    assert made.data.says.tolist() == [one.says for one in QUESTIONS.values()]


def test_changes_are_in_the_headline_with_their_direction(tmp_path):
    rows = given(
        tmp_path,
        dense=row("dense", UNDECIDED),
        exit_fixed=row("exit_fixed", CHANGED, -1),
        retrieval=row("retrieval", CHANGED, -1, -20.0, -25.0, -15.0, cases=4),
        classification=row("classification", CHANGED, 1),
        control=row("control", UNDECIDED),
    )
    assert answer.headline(rows) == (
        "Longer intermediate training has no proven effect on dense latency, makes early exit stop earlier, "
        "raises the quality of classification and lowers the quality of retrieval."
    )
    assert answer.figure_says(rows) == (
        "The longest duration changes the cost of early exit (same threshold), quality of classification and quality of "
        "retrieval. 2 of 5 rows are undecided."
    )
    said = " ".join(answer.advice(rows))
    assert "no latency cost was found" in said and "Retrieve with the encoder from before" in said
    assert "Recalibrate early exit" in said and "Try the same steps on the target first" in said
    assert "| changed: lower in 1 of 4 | −20.0 [−25.0, −15.0] |" in answer.table(rows, str)


def test_no_advice_without_evidence(tmp_path):
    rows = given(tmp_path)
    assert answer.advice(rows) == [] and answer.effects(rows) == [] and answer.key(rows) == "."
    assert answer.headline(rows).endswith("its effect on latency was not measured.")
    assert answer.figure_says(rows) == "Nothing is measured that duration could change."


def test_effects_are_in_percent_or_points(tmp_path):
    rows = given(
        tmp_path, dense=row("dense", UNDECIDED, change=0.01), retrieval=row("retrieval", UNDECIDED, change=-2.0)
    )
    assert [(one.unit, one.change) for one in answer.effects(rows)] == [("%", 1.0), ("points", -2.0)]


def test_the_studies_on_real_data_are_listed(tmp_path):
    reports = {"a": store(tmp_path / "a", ABOUT | {"real": True, "title": "Real <x>"}), "b": store(tmp_path / "b")}
    table = answer.studies(reports, str)
    assert "2,048 steps" in table and "Real \\<x>" in table and len(table.splitlines()) == 3
