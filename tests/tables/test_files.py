import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.tables import files
from stilts_utils.tables.files import RecordError
from stilts_utils.tables.schema import TABLES

ROW = {
    "intermediate": "temprel",
    "duration": 4,
    "seed": 1,
    "target": "mc_facts",
    "language": "en",
    "layer": 2,
    "metric": "accuracy",
    "score": 50.0,
    "items": 8,
}


def scores(*changes):
    return pd.DataFrame([{**ROW, **change} for change in changes or ({},)])


@pytest.mark.parametrize("name", TABLES)
def test_key_and_ranges_of_every_table_are_its_columns(name):
    table = TABLES[name]
    assert set(table.key) <= set(table.columns)
    assert set(table.ranges) <= set(table.columns)


def test_a_good_frame_passes_whatever_the_order_of_its_columns():
    frame = scores({}, {"language": "de"})
    assert files.check("scores", frame[frame.columns[::-1]]).column_names == list(TABLES["scores"].columns)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (scores().drop(columns="seed"), r"missing: \['seed'\]"),
        (scores().assign(colour="red"), r"not in the schema: \['colour'\]"),
        (scores({"language": None}), "language has empty values"),
        (scores({"score": np.nan}), "score has empty values"),
        (scores({"score": 100.5}), "score is 100.5, allowed: 0 to 100"),
        (scores({"score": -1.0}), "score is -1.0, allowed: 0 to 100"),
        (scores({"items": 0}), "items is 0, allowed: 1"),
        (scores({"layer": 1.5}), "layer"),
        (scores({"language": 7}), "language"),
        (scores({"score": "high"}), "score"),
        (scores({}, {"score": 60.0}), "repeated key .*temprel"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(frame, said):
    with pytest.raises(RecordError, match=said):
        files.check("scores", frame)


def test_an_unknown_table_is_refused_with_the_known_ones():
    with pytest.raises(RecordError, match="table is 'score', allowed: scores, items"):
        files.check("score", scores())


def test_a_refused_frame_writes_nothing(tmp_path):
    with pytest.raises(RecordError):
        files.write("scores", scores({"score": 101.0}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_column_too_many_is_refused_in_a_list_of_rows_too(tmp_path):
    with pytest.raises(RecordError, match="colour"):
        files.write("scores", [{**ROW, "colour": "red"}], tmp_path)


def test_an_interrupted_write_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    path = files.write("scores", scores(), tmp_path)
    before = path.read_bytes()

    def interrupted(table, file, **_):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(files.pq, "write_table", interrupted)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(OSError, match="disk full"):
            files.write("scores", scores({"score": 60.0}), folder)
    assert path.read_bytes() == before
    assert list(tmp_path.rglob("*.parquet")) == [path]


def test_reading_joins_all_folders_in_the_order_of_the_key(tmp_path):
    files.write("scores", scores({"seed": 2}, {"seed": 1, "language": "zh"}), tmp_path / "a")
    files.write("scores", scores({"seed": 1, "language": "de"}), tmp_path / "b" / "tables")
    found = files.read("scores", tmp_path)
    assert list(zip(found.seed, found.language, strict=True)) == [(1, "de"), (1, "zh"), (2, "en")]


def test_reading_refuses_a_row_that_two_folders_have(tmp_path):
    for folder in "ab":
        files.write("scores", scores(), tmp_path / folder)
    with pytest.raises(RecordError, match="repeated key"):
        files.read("scores", tmp_path)


def test_reading_what_is_not_there_names_the_next_command(tmp_path):
    with pytest.raises(RecordError, match="no scores.parquet .* run `make study`"):
        files.read("scores", tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_may_be_empty(name, tmp_path):
    files.write(name, [], tmp_path)
    found = files.read(name, tmp_path)
    assert len(found) == 0
    assert list(found.columns) == list(TABLES[name].columns)


texts = st.text(st.characters(codec="utf-8"), max_size=6)
rows = st.fixed_dictionaries(
    {
        "intermediate": texts,
        "duration": st.integers(0, 2**40),
        "seed": st.integers(-5, 5),
        "target": texts,
        "language": texts,
        "layer": st.integers(0, 24),
        "metric": texts,
        "score": st.floats(0, 100),
        "items": st.integers(1, 10**6),
    }
)


@given(st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: tuple(row[k] for k in TABLES["scores"].key)))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("round")
    files.write("scores", found, folder)
    back = files.read("scores", folder).to_dict("records")

    def by_key(row):
        return tuple(row[column] for column in TABLES["scores"].key)

    assert sorted(back, key=by_key) == sorted(found, key=by_key)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (scores().assign(colour="red"), r"not in the schema: \['colour'\]"),
        (scores().drop(columns="seed"), r"columns missing: \['seed'\]"),
        (scores().assign(score="high"), "table scores: .*high"),
        (scores({"language": None}), "language has empty values"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_among_others_that_do(frame, said, tmp_path):
    files.write("scores", scores({"language": "de"}), tmp_path / "a")
    (tmp_path / "b").mkdir()
    frame.to_parquet(tmp_path / "b" / "scores.parquet")
    with pytest.raises(RecordError, match=said):
        files.read("scores", tmp_path)


def test_parts_that_a_run_keeps_are_not_read_beside_its_tables(tmp_path):
    row = {"target": "xnli", "language": "en", "reason": "none"}
    for folder in ("3_target/run/tables", "kept/run/xnli"):
        files.write("lacking", [row], tmp_path / folder)
    assert len(files.read("lacking", tmp_path)) == 1
    assert len(files.read("lacking", tmp_path / "kept/run/xnli")) == 1


def test_older_files_are_read_with_the_columns_that_were_added(tmp_path):
    row = {
        "seed": 1,
        "target": "xnli",
        "engine": "fp32",
        "duration": 0,
        "scenario": "Offline",
        "metric": "x",
        "value": 1.0,
    }
    row |= {"samples": 1, "seconds": 1.0, "bound_s": 0.0, "official": False, "validated": True, "disturbed": False}
    pd.DataFrame([row]).to_parquet(tmp_path / "scenarios.parquet")
    assert files.read("scenarios", tmp_path).process.tolist() == [1]
    (tmp_path / "new").mkdir()
    files.save("scenarios", [row | {"process": 2, "turn": 3}], tmp_path / "new")
    assert files.read("scenarios", tmp_path)[["process", "turn"]].to_numpy().tolist() == [[1, 0], [2, 3]]
    with pytest.raises(files.RecordError, match="columns missing: .'process', 'turn'"):
        files.save("scenarios", [row], tmp_path / "new")
