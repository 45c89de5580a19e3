import dataclasses

import pandas as pd
import pytest

from stilts_utils.report import tables as report_tables
from stilts_utils.study.settings import CONTROL
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.fake_study"]
NAMES = (
    "answer hypotheses registered engines speed fidelity early_exit scenarios work searches engine_quality language_tax",
    "latency_languages exit_controls exit_languages equal_quality advice machines",
    "best_layers exit_outcomes exit_equal throughput quality learned floors quality_languages fertility shortcuts",
    "lacking left_out provenance extremes tasks registry latency controls noise checkpoints costs",
)
NAMES = [name for line in NAMES for name in line.split()]


@pytest.fixture(scope="module")
def every(found):
    return report_tables.every(found)


def test_there_are_these_tables(every):
    assert list(every) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_exactly_one_markdown_table(every, name):
    lines = report_tables.markdown(every[name]).split("\n")
    assert lines.pop() == ""
    assert len(lines) == 2 + len(every[name]) > 2
    columns = len(every[name].columns)
    assert all(line.startswith("|") and line.endswith("|") and line.count("|") == columns + 1 for line in lines)
    assert [set(line) <= set("|:-") for line in lines] == [False, True, *[False] * len(every[name])]


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_is_missing(every, name):
    assert not every[name].isna().any(axis=None)
    assert not {"nan", "None", "inf"} & set(every[name].astype(str).to_numpy().ravel())


def test_numbers_are_written_as_they_are(every):
    assert report_tables.markdown(pd.DataFrame({"p": ["0.0100"], "n": [1000000]})).split("\n")[2].split() == (
        ["|", "0.0100", "|", "1000000", "|"]
    )


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("answer", {"": "Latency, fp32, batch 1"}, {"0 steps": "reference", "16 steps": "+0.40 %, equivalent"}),
        ("answer", {"": "mc_facts score"}, {"0 steps": "42.5 [33.3, 52.5]"}),
        (
            "answer",
            {"": "retr_bitext score"},
            {"16 steps": "42.5 [31.2, 53.8], undecided (half-width 9.7)", "Learned in English": "no floor"},
        ),
        (
            "quality",
            {"Target": "mc_facts", "Arm": "temprel", "Steps": 16},
            {"Change to 0 steps": "+20.0 [+12.1, +28.3]", "Over the control": "+10.0 [+4.2, +15.8]"},
        ),
        ("quality", {"Target": "mc_facts", "Arm": "control", "Steps": 16}, {"Over the control": ""}),
        (
            "quality",
            {"Target": "dtag", "Arm": "pretrained"},
            {"Score [95 %]": "42.5 [32.9, 52.1]", "Change to 0 steps": ""},
        ),
        ("quality_languages", {"Target": "retr_bitext", "Steps": 16}, {"Arm": "temprel", "en": "–", "de": "42"}),
        (
            "latency",
            {"Engine": "bf16", "Batch": 4, "Steps": 16},
            {"Ratio [95 %]": "1.0040 [1.0025, 1.0055]", "Detectable": "0.40 %", "Verdict": "equivalent"},
        ),
        ("controls", {"Engine": "fp32", "Batch": 4}, {"A/A ratio, 99 %": "0.9973 to 1.0027", "Usable": "yes"}),
        (
            "noise",
            {"Process": 101, "Engine": "fp32", "Batch": 1},
            {"Stalled": 1, "Other processes": "1.0 %", "Disturbed": "no"},
        ),
        ("checkpoints", {"Steps": 16, "Seed": 2}, {"Task": "temprel", "Distance": "0.0160", "Subnormal weights": 2}),
        ("fertility", {"Language": "sw"}, {"Tokens relative to English": "2.00", "Unknown tokens": "10.00 %"}),
        ("costs", {"Phase": "3_target", "Part": "train"}, {"Seconds": "80.0", "Tokens per second": "50"}),
        ("costs", {"Phase": "3_target", "Part": "start-up and rest"}, {"Seconds": "40.0", "Tokens": ""}),
        ("shortcuts", {"Target": "mc_facts", "Baseline": "character n-grams"}, {"en": "30", "de": "65", "sw": "60"}),
        ("shortcuts", {"Target": "retr_bitext"}, {"Baseline": "chance", "en": "–"}),
        ("lacking", {"Target": "retr_bitext"}, {"Language": "en"}),
        ("left_out", {"Task": "temprel"}, {"Language": "en, training", "Rows": 3, "Of": 40}),
        ("provenance", {"What": "versions: torch"}, {"Value": "2.0.0"}),
        ("provenance", {"What": "timings: cpu"}, {"Value": "A fake CPU"}),
        ("tasks", {"Task": "mc_facts"}, {"Role in this study": "target"}),
        ("tasks", {"Task": "temprel"}, {"Role in this study": "intermediate"}),
        ("tasks", {"Task": "qa_log"}, {"Role in this study": "not used"}),
    ],
)
def test_known_cells(every, name, row, expected):
    rows = [cells for cells in every[name].to_dict("records") if row.items() <= cells.items()]
    assert len(rows) == 1
    assert {column: rows[0][column] for column in expected} == expected


def test_languages_stand_in_the_order_of_the_study(every):
    assert list(every["quality_languages"].columns) == ["Target", "Arm", "Steps", "en", "de", "sw"]
    assert list(every["shortcuts"].columns) == ["Target", "Baseline", "en", "de", "sw"]


def test_every_task_of_the_suite_is_listed(every):
    listed = [*every["tasks"].Task, *every["registry"].Task]
    assert sorted(listed) == sorted(TASKS) and set(every["registry"].Task) >= {"xnli", "lareqa", "mnli", "ccg"}


def test_what_is_stored_beside_the_notebooks_is_no_phase_that_took_time(every):
    assert set(every["costs"].Phase) == {"1_pretrained", "2_intermediate", "3_target", "4_inference"}


def test_a_failed_control_gives_its_reason(found):
    controls = found.controls.assign(usable=[False, True, True, True], reason=["disturbed", "", "", ""])
    table = report_tables.controls(dataclasses.replace(found, controls=controls))
    assert table.Usable.tolist() == ["no: disturbed", "yes", "yes", "yes"]


def test_a_study_that_lacks_nothing_says_so(found):
    lacking = found.tables["lacking"].iloc[:0]
    tables = report_tables.every(dataclasses.replace(found, tables=found.tables | {"lacking": lacking}))
    assert report_tables.markdown(tables["lacking"]) == "There is nothing to list.\n"


def test_several_intermediate_tasks_have_a_row_each(found):
    other = found.quality[found.quality.intermediate == "temprel"].assign(intermediate="nli_num", score=10.0)
    about = found.provenance | {
        "study": found.study | {"intermediate": dict.fromkeys(["temprel", "nli_num"], {"durations": None, "tasks": []})}
    }
    several = dataclasses.replace(found, quality=pd.concat([found.quality, other]), provenance=about)
    table = report_tables.answer(several).set_index("")
    assert table.loc["mc_facts score after temprel", "16 steps"].startswith("62.5 [")
    assert table.loc["mc_facts score after nli_num", "16 steps"].startswith("10.0 [")
    assert table.loc["mc_facts score after nli_num", "0 steps"].startswith("42.5 [")
    assert not [name for name in table.index if CONTROL in name.split()]


def test_a_language_without_word_spaces_has_no_tokens_per_word(found):
    premiums = found.premiums.assign(tokens_per_word=[2.5, 3.0, 0.0])
    table = report_tables.fertility(premiums)
    assert table["Tokens per word"].tolist() == ["2.50", "3.00", "no word spaces"]


def test_a_study_that_was_not_timed_has_no_table_of_times(untimed_found):
    names = set(report_tables.every(untimed_found))
    assert names < set(NAMES) and {"answer", "quality", "hypotheses", "exit_languages", "provenance"} <= names
    assert not names & {"latency", "controls", "noise", "speed", "early_exit", "advice", "costs", "checkpoints"}
    assert "Latency" not in report_tables.markdown(report_tables.every(untimed_found)["answer"])
