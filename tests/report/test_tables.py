import dataclasses

import pandas as pd
import pytest

from stilts_utils.report import tables as report_tables
from stilts_utils.report import tables_quality
from stilts_utils.study.settings import CONTROL
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.fake_study"]
NAMES = (
    "registered engines speed fidelity early_exit scenarios work searches engine_quality language_tax",
    "latency_languages exit_controls exit_languages equal_quality advice machines",
    "best_layers exit_outcomes exit_equal throughput quality learned floors floors_registry extremes quality_languages",
    "shortcuts fertility coverage left_out runs provenance tasks registry latency controls noise checkpoints costs hypotheses",
)
NAMES = [name for line in NAMES for name in line.split()]


@pytest.fixture(scope="module")
def every(found):
    return {name: one.shown for name, one in report_tables.every(found).items()}


def test_there_are_these_tables(every):
    assert list(every) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "throughput"])  # of which the fake study has none
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
        (
            "quality",
            {"Target": "mc_facts", "Trained on": "temprel", "Steps": 16},
            {
                "Score": "62.5",
                "Change, points": "+20.0 [+12.1, +28.3]",
                "Over the control, points": "+10.0 [+4.2, +15.8]",
            },
        ),
        ("quality", {"Target": "retr_bitext"}, {"Over the control, points": "–"}),
        ("quality_languages", {"Language": "German (de)"}, {"Targets": 3, "Retrieval, points": "−20.0"}),
        ("quality_languages", {"Language": "English (en)"}, {"Targets": 2, "Retrieval, points": "–"}),
        (
            "latency",
            {"Engine": "bf16", "Batch": 4, "Steps": 16},
            {"Change [95 %]": "+0.40 % [+0.25, +0.55]", "Detectable": "0.40 %", "Verdict": "equivalent"},
        ),
        ("controls", {"Engine": "fp32", "Batch": 4}, {"A/A, 99 %": "−0.27 % to +0.27 %", "Usable": "yes"}),
        ("noise", {"Engine": "fp32", "Batch": 1}, {"Disturbed": 0, "Other processes, at most": "4.0 %"}),
        ("checkpoints", {"Steps": 16}, {"Trained on": "temprel", "Seeds": 2, "Subnormal weights, at most": 2}),
        ("fertility", {"Language": "Swahili (sw)"}, {"Tokens over English": "2.00", "Unknown tokens": "10.00 %"}),
        ("costs", {"Phase": "target", "Part": "train"}, {"Seconds": "80.0", "Tokens per second": "50"}),
        ("costs", {"Phase": "target", "Part": "start-up and rest"}, {"Seconds": "40.0", "Tokens": ""}),
        (
            "shortcuts",
            {"Target": "mc_facts", "Baseline": "character n-grams"},
            {
                "English": "30.0",
                "Other languages, mean": "62.5",
                "Lowest": "60.0",
                "Highest": "65.0",
                "Other languages": 2,
            },
        ),
        ("shortcuts", {"Target": "retr_bitext"}, {"Baseline": "chance", "English": "–"}),
        ("coverage", {"Task": "retr_bitext"}, {"Languages scored": 2}),
        ("left_out", {"Task": "temprel"}, {"Languages": "en, training", "Rows left out": "3", "Of": "40"}),
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
    assert list(every["quality_languages"].Language) == ["English (en)", "German (de)", "Swahili (sw)"]


def test_every_task_of_the_suite_is_listed(every):
    listed = [*every["tasks"].Task, *every["registry"].Task]
    assert sorted(listed) == sorted(TASKS) and set(every["registry"].Task) >= {"xnli", "lareqa", "mnli", "ccg"}


def test_what_is_stored_beside_the_notebooks_is_no_phase_that_took_time(every):
    assert set(every["costs"].Phase) == {"pretrained", "intermediate", "target", "inference"}


def test_a_failed_control_gives_its_reason(found):
    controls = found.controls.assign(usable=[False, True, True, True], reason=["disturbed", "", "", ""])
    table = report_tables.controls(dataclasses.replace(found, controls=controls))
    assert table.shown.Usable.tolist() == ["no: disturbed", "yes", "yes", "yes"]


def test_a_study_that_leaves_nothing_out_says_so(found):
    left_out = found.tables["left_out"].iloc[:0]
    tables = report_tables.every(dataclasses.replace(found, tables=found.tables | {"left_out": left_out}))
    assert tables["left_out"].said == "No row was left out."


def test_an_arm_without_a_learned_target_is_no_column_of_the_extremes(found):
    """As an arm of the target phase is, if its only target was not learned."""
    arms = {name: {"durations": None, "tasks": []} for name in ("temprel", "rs-da")}
    more = dataclasses.replace(found, provenance=found.provenance | {"study": found.study | {"intermediate": arms}})
    shown = tables_quality.extremes(more).shown
    assert "After temprel" in shown and "After rs-da" not in shown


def test_a_language_without_word_spaces_has_no_tokens_per_word(found):
    premiums = found.premiums.assign(tokens_per_word=[2.5, 3.0, 0.0])
    table = report_tables.fertility(premiums).shown
    assert table["Tokens per word"].tolist() == ["2.50", "3.00", "–"]


def test_a_study_that_was_not_timed_has_no_table_of_times(untimed_found):
    names = set(report_tables.every(untimed_found))
    assert names < set(NAMES) and {"quality", "hypotheses", "exit_languages", "provenance"} <= names
    assert not names & {"latency", "controls", "noise", "speed", "early_exit", "advice", "costs", "checkpoints"}


def test_a_verdict_stands_beside_its_hypothesis_and_refers_to_its_numbers(found, untimed_found):
    rows = report_tables.every(found)["hypotheses"].shown.set_index("No.")
    assert rows.Hypothesis["H1"].startswith("Dense latency is equivalent")
    assert (
        rows.Because["H1"] == "{numref}`tab-%prefix%latency`"
        and rows.Because["H2"] == "every control passed in every setting"
    )
    assert rows.Because["H3"].startswith("{numref}`tab-%prefix%quality`") and "[" not in "".join(rows.Because)
    rows = report_tables.every(untimed_found)["hypotheses"].shown.set_index("No.")
    assert rows.Because["H1"] == "this study was not timed"


def test_all_rows_and_columns_are_in_the_data(found):
    tables = report_tables.every(found)
    assert len(tables["quality"].data) > len(tables["quality"].shown) and tables["quality"].rest
    assert set(tables["quality"].data.intermediate) == {"none", "temprel", CONTROL}
    assert {"foreign_share", "load"} <= set(tables["noise"].data) and len(tables["noise"].data) == len(
        found.tables["noise"]
    )
    assert len(tables["coverage"].data) == 9 and (~tables["coverage"].data.scored).sum() == 1
