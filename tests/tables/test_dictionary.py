import re

import pytest

from stilts_utils.analysis.exit_rules import CALIBRATION, EVALUATION, RULES
from stilts_utils.analysis.latency import PLANTED, SAME
from stilts_utils.tables import dictionary, digests, identity
from stilts_utils.tables.schema import FLAG, TABLES

pytest_plugins = ["tests.fake_study"]


def test_every_table_says_what_its_rows_are():
    assert list(dictionary.ROWS) == list(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_one_entry(table):
    made = dictionary.columns(table)
    assert [column.name for column in made] == list(TABLES[table].columns)
    assert [column.name for column in made if column.key] == [
        c for c in TABLES[table].columns if c in TABLES[table].key
    ]
    for column in made:
        assert column.says and "|" not in column.says + column.allowed + column.unit
        assert column.allowed or TABLES[table].columns[column.name] == FLAG, column
        assert not (
            column.name in TABLES[table].ranges and _word(column).allowed and column.name not in dictionary.SHARED
        )


def _word(column):
    return dictionary.OWN.get(column.table, {}).get(column.name) or dictionary.SHARED[column.name]


def test_no_entry_is_of_a_column_that_is_not_there_or_says_it_twice():
    used = {(column.table, column.name) for column in dictionary.every()}
    for table, words in dictionary.OWN.items():
        for name, word in words.items():
            assert (table, name) in used
            assert word != dictionary.SHARED.get(name), f"{table}.{name} says what SHARED says"
    for name in dictionary.SHARED:
        shared = [t for t, column in used if column == name and name not in dictionary.OWN.get(t, {})]
        assert len(shared) > 1 or name in ("metric", "score"), f"{name} is of {shared} alone: it belongs to OWN"


def test_numbers_have_units_or_are_counts_of_their_own():
    """Times end in their unit, shares and scores have a range."""
    for column in dictionary.every():
        if column.name.endswith("_s") or column.name in ("seconds", "began"):
            assert column.unit == "s", column
        if column.unit == "share":
            assert column.allowed == "0 to 1", column


def test_values_that_are_listed_are_those_of_the_code(found):
    words = {(column.table, column.name): column.allowed for column in dictionary.every()}
    assert all(rule in words["exit_timings", "rule"] for rule in RULES)
    assert CALIBRATION in words["exits", "split"] and EVALUATION in words["exits", "split"]
    assert SAME in words["timings", "condition"] and PLANTED in words["timings", "condition"]
    for part in found.tables["costs"].part:
        assert re.search(rf"\b{part}\b", words["costs", "part"]), part


def test_no_run_depends_on_the_words():
    roots = ["notebooks/1_pretrained.ipynb", *identity.CHECKPOINTS.values(), identity.SCORES]
    roots += [f"notebooks/{name}.ipynb" for name in ("2_intermediate", "3_target", "4_inference")]
    for root in roots:
        assert "stilts_utils/tables/dictionary.py" not in digests.modules_of(root, identity.NO_CODE, identity.SHOWN)
