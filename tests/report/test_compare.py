import json
import math
import shutil
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.analysis.reproduction import CANNOT_BE_TOLD, NOT_REPRODUCED, REPRODUCED
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_MEASURED, UNDECIDED, of_interval
from stilts_utils.report import answer_rows, compare
from stilts_utils.report.answer_cases import Case
from stilts_utils.report.answer_rows import QUESTIONS, RATIO, Row
from stilts_utils.report.compare import Side
from stilts_utils.tables.errors import RecordError

pytest_plugins = ["tests.fake_study"]
ABOUT = {
    "title": "A study",
    "real": False,
    "encoder": "an encoder",
    "layers": 12,
    "seeds": 5,
    "steps": 48,
    "timed": True,
    "device": "CPU",
    "precision": "bf16",
    "processor": "A CPU",
}


def case(change, low, high, about="a setting", margin=0.02):
    return Case(change, low, high, of_interval(low, high, margin), about, margin)


def side(name="one", about=ABOUT, **cases):
    """A study with these cases by question; the others are not measured."""
    rows = {}
    for question in QUESTIONS:
        rows[question] = Row(question, NOT_MEASURED)
        if own := cases.get(question):
            lead = own[0]
            verdict = lead.verdict
            rows[question] = Row(
                question, verdict.kind, verdict.direction, lead.change, lead.low, lead.high, lead.about, len(own), 1
            )
    return Side(name, about, rows, cases)


@st.composite
def cases(draw):
    value, below, above = draw(st.floats(-0.4, 0.4)), draw(st.floats(1e-4, 0.3)), draw(st.floats(1e-4, 0.3))
    return case(value, value - below, value + above, draw(st.sampled_from("abc")), draw(st.sampled_from((0.0, 0.02))))


QUESTION = st.sampled_from([name for name in QUESTIONS if " " not in name])


@settings(deadline=None)
@given(QUESTION, st.lists(cases(), min_size=1, max_size=3, unique_by=lambda one: one.about))
def test_a_study_reproduces_itself_in_every_row_that_is_answered(question, own):
    study = side(**{question: own})
    for one in compare.rows(study, study):
        if one.question == question:
            assert [pair.outcome == REPRODUCED for pair in one.pairs] == [c.verdict.kind != UNDECIDED for c in own]
            answered = all(case.verdict.kind in (CHANGED, EQUIVALENT) for case in own)
            assert one.outcome == (REPRODUCED if answered else CANNOT_BE_TOLD)
        else:
            assert one.outcome == CANNOT_BE_TOLD and one.shown is None


@settings(deadline=None)
@given(
    st.sampled_from(["int8", "retrieval", "control", "exit_kept"]),
    cases(),
    st.floats(1.01, 4),
    st.sampled_from((1, -1)),
)
def test_a_planted_shift_is_not_reproduced(question, own, beyond, sign):
    shift = sign * beyond * (own.margin + math.hypot(own.high - own.change, own.change - own.low))
    moved = case(own.change + shift, own.low + shift, own.high + shift, own.about, own.margin)
    one = compare.of_row(question, side(**{question: [own]}), side(**{question: [moved]}))
    assert one.outcome == NOT_REPRODUCED
    assert one.shown.apart.value == pytest.approx(shift)


def test_settings_that_both_have_are_compared_and_one_decides():
    first = side(dense=[case(0.0, -0.01, 0.01, "fp32"), case(0.0, -0.01, 0.01, "bf16"), case(0.0, -0.5, 0.5, "ort")])
    second = side(dense=[case(0.1, 0.09, 0.11, "bf16"), case(0.0, -0.01, 0.01, "fp32")])
    one = compare.of_row("dense", first, second)
    assert [pair.first.about for pair in one.pairs] == ["fp32", "bf16"]
    assert (one.says, one.setting) == ("not reproduced (1 of 2)", "bf16")


def test_without_a_common_setting_the_farthest_of_each_is_compared():
    first, second = (side(tax=[case(0.0, -0.01, 0.01, name)]) for name in ("de", "sw"))
    one = compare.of_row("tax", first, second)
    assert (one.outcome, one.setting) == (REPRODUCED, "de and sw")


def test_latency_is_not_compared_with_exit_layers():
    first, second = (side(exit_fixed=[case(-0.1, -0.11, -0.09, name)]) for name in ("latency", "the mean exit layer"))
    one = compare.of_row("exit_fixed", first, second)
    assert (one.outcome, one.setting, one.shown) == (CANNOT_BE_TOLD, "latency and the mean exit layer", None)
    assert compare.cells(one)[1:] == ("−10.0 % [−11.0, −9.0]", "−10.0 % [−11.0, −9.0]", "–", "cannot be told")


def test_ratios_are_divided_and_points_subtracted():
    first, second = side(dense=[case(0.1, 0.1, 0.1)]), side(dense=[case(0.21, 0.21, 0.21)])
    assert compare.cells(compare.of_row("dense", first, second))[3] == "+10.0 % [+10.0, +10.0]"
    first, second = side(int8=[case(10, 9, 11)]), side(int8=[case(21, 20, 22)])
    assert compare.cells(compare.of_row("int8", first, second))[3] == "+11.0 [+9.6, +12.4]"
    assert QUESTIONS["dense"].unit == RATIO != QUESTIONS["int8"].unit


def test_what_may_move_a_row_is_named_and_a_processor_moves_times_alone():
    other = ABOUT | {
        "layers": 4,
        "precision": "fp32",
        "processor": "Another CPU",
        "real": True,
        "seeds": 2,
        "steps": 2048,
    }
    assert compare.causes("retrieval", ABOUT, other) == ["source of rows", "layers", "precision", "durations", "seeds"]
    assert compare.causes("dense", ABOUT, ABOUT | {"processor": "Another CPU"}) == ["processor"]
    assert compare.causes("dense", ABOUT, ABOUT) == []


@pytest.fixture
def report(tmp_path, found):
    (tmp_path / answer_rows.FILE).write_text(json.dumps(answer_rows.said(found)), encoding="utf8")
    return tmp_path


def test_what_a_report_stores_is_read_again(report, found):
    read = compare.read("fake", report)
    assert list(read.rows) == list(QUESTIONS)
    assert [row.cases for row in read.rows.values()] == [len(given) for given in read.cases.values()]
    for one in compare.rows(read, read):
        assert one.outcome == (REPRODUCED if one.pairs and all(map(_decided, one.pairs)) else CANNOT_BE_TOLD)
    assert {one.outcome for one in compare.rows(read, read)} == {REPRODUCED, CANNOT_BE_TOLD}


def _decided(pair):
    return of_interval(pair.first.low, pair.first.high, pair.first.margin).kind != UNDECIDED or (
        pair.first.verdict.kind != UNDECIDED
    )


def test_a_report_of_older_code_names_the_next_command(report):
    (report / answer_rows.FILE).write_text(json.dumps({"about": ABOUT, "rows": []}), encoding="utf8")
    with pytest.raises(RecordError, match="has no cases; `make study STUDY=mini` writes them"):
        compare.read("mini", report)


def printed(capsys, monkeypatch, *folders) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["compare", *map(str, folders)])
    return compare.main(), capsys.readouterr().out


def test_stored_results_and_a_run_are_printed(stored_results, report, tmp_path, capsys, monkeypatch):
    stored, run = stored_results / "fake", tmp_path / "runs/fake"
    (run / "5_findings/report").mkdir(parents=True)
    shutil.copy(report / answer_rows.FILE, run / "5_findings/report")
    (run / "1_pretrained/baseline/tables").mkdir(parents=True)
    about = json.loads((stored / "provenance.json").read_text(encoding="utf8"))
    about["encoder"]["layers"], about["timed"]["machine"]["cpu"] = 2, "A third CPU"
    (run / "1_pretrained/baseline/tables/provenance.json").write_text(json.dumps(about), encoding="utf8")
    monkeypatch.setattr(compare.cache, "reports", lambda folders: {folder.name: report for folder in folders})
    code, text = printed(capsys, monkeypatch, stored, run)
    assert code == 0 and "A third CPU" in text
    line = next(line for line in text.splitlines() if line.startswith("layers"))
    assert line.split()[1:] == ["3", "2"]
    assert "Quality: classification" in text and " of 13 rows." in text
    assert "All settings are the same." in printed(capsys, monkeypatch, stored, stored)[1]


def test_what_cannot_be_read_is_said_in_one_line(tmp_path, stored_results, capsys, monkeypatch):
    code, text = printed(capsys, monkeypatch, "results/nobody", "results/mini")
    assert code == 2 and text.startswith("folder of tables is 'results/nobody', there are: results/")
    (tmp_path / "mini/5_findings").mkdir(parents=True)
    shutil.copy(stored_results / "fake/provenance.json", tmp_path / "mini/5_findings")
    code, text = printed(capsys, monkeypatch, tmp_path / "mini", tmp_path / "mini")
    assert code == 2 and "has no answer.json; run `make study STUDY=mini` first" in text
