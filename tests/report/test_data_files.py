import io
import zipfile

import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stilts_utils.report import data_files
from stilts_utils.tables import dictionary
from stilts_utils.tables.schema import TABLES

TEXTS = st.text(st.characters(codec="utf8", exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
@example([('two\nlines, "quoted"', 0.1), ("NA", -1e300)])
def test_csv_is_read_as_it_was_written(rows):
    frame = pd.DataFrame(rows, columns=["item", "value"])
    text = data_files.csv(frame)
    back = pd.read_csv(
        io.StringIO(text, newline=""), dtype={"item": str}, keep_default_na=False, float_precision="round_trip"
    )
    assert back.value.tolist() == frame.value.tolist() and back["item"].tolist() == frame["item"].tolist()


def test_large_tables_are_compressed_and_the_dictionary_is_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, "PLAIN_ROWS", 2)
    frames = {"scores": pd.DataFrame({"a": [1, 2]}), "items": pd.DataFrame({"a": [1, 2, 3]})}
    data_files.write(frames, tmp_path / "data")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"scores.csv", "items.csv.gz", "dictionary.csv"}
    assert pd.read_csv(tmp_path / "data/items.csv.gz").a.tolist() == [1, 2, 3]


def test_the_dictionary_has_every_column_of_every_table():
    words = data_files.words()
    assert list(words) == ["table", "name", "type", "unit", "allowed", "key", "says"]
    assert len(words) == sum(len(table.columns) for table in TABLES.values()) == len(dictionary.every())


def test_an_archive_has_what_is_small_and_names_what_is_large_with_the_same_bytes_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, "MOST_ROWS", 2)
    frames = {
        "scores": pd.DataFrame({"a": [1]}),
        "arms": pd.DataFrame({"a": []}),
        "items": pd.DataFrame({"a": [1, 2, 3]}),
    }
    first, second = (data_files.archive(frames, tmp_path / name) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["scores.csv", "dictionary.csv"]
        assert archive.read("scores.csv") == b"a\n1\n"
    assert data_files.left_out(first) == ["items"]
