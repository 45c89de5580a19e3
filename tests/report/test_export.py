import json
import sys

import pandas as pd
import pytest
from matplotlib.figure import Figure

from stilts_utils.report import export, numbers, tables
from stilts_utils.report.answer_rows import QUESTIONS
from stilts_utils.report.export import ExportError

pytest_plugins = ["tests.fake_study"]


@pytest.fixture(scope="module")
def written(found, stored_results, tmp_path_factory):
    """An export of the fake study, with one figure in place of its own, which are drawn by other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "drawn", lambda found: {"latency": Figure})
        return export.write(found, stored_results / "fake", tmp_path_factory.mktemp("to") / "fake")


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_table_and_figure_is_written(found, written):
    assert names(written) == {"README.md", "answer.csv", "data", "tables", "figures", export.MARK}
    assert names(written / "data") == {*(f"{name}.csv" for name in found.tables), "dictionary.csv"}
    frames = {name for name, frame in tables.every(found).items() if len(frame.shown)} | {"rows"}
    assert names(written / "tables") == {f"{name}.{end}" for name in frames for end in ("csv", "tex")}
    assert names(written / "figures") == {"latency.pdf"}
    assert (written / "figures/latency.pdf").read_bytes().startswith(b"%PDF")


def test_tables_are_those_that_were_stored(found, written):
    for name in ("scores", "timings", "exits"):
        frame = pd.read_csv(
            written / "data" / f"{name}.csv", dtype={"condition": str, "item": str}, float_precision="round_trip"
        )
        pd.testing.assert_frame_equal(frame, found.tables[name], check_dtype=False)


def test_the_rows_of_the_answer_are_data_and_a_table_for_a_paper(written):
    rows = pd.read_csv(written / "answer.csv")
    assert rows.question.tolist() == list(QUESTIONS) and set(rows.unit) == {"ratio", "points"}
    text = (written / "tables/rows.tex").read_text(encoding="utf8")
    assert r"Longest duration & Effect [95 \%] & Verdict & Setting \\" in text
    assert "Latency of a dense model & +0.4 \\%" in text


def test_it_says_where_it_is_from(written, found):
    text = (written / "README.md").read_text(encoding="utf8")
    assert (
        "# A fake study" in text and found.provenance["commit"] in text and "{" not in text.replace("usepackage{", "")
    )
    mark = json.loads((written / export.MARK).read_text(encoding="utf8"))
    assert mark["rows"]["scores"] == len(found.tables["scores"])


def test_a_former_export_is_replaced_and_other_files_are_left_alone(found, written, tmp_path, monkeypatch):
    (written / "old.txt").touch()
    monkeypatch.setattr(numbers, "drawn", lambda found: {})
    export.write(found, written, written)
    assert not (written / "old.txt").exists() and (written / export.MARK).is_file()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/thesis.tex").touch()
    with pytest.raises(
        ExportError, match="own, which holds other files; allowed: a new folder, an empty one, or a former"
    ):
        export.write(found, written, tmp_path / "own")
    with pytest.raises(ExportError, match="thesis.tex, which holds other files"):
        export.write(found, written, tmp_path / "own/thesis.tex")
    assert names(tmp_path / "own") == {"thesis.tex"}
    (tmp_path / "empty").mkdir()
    assert export.write(found, written, tmp_path / "empty").is_dir()


def test_it_is_written_whole_or_not_at_all(found, written, tmp_path, monkeypatch):
    def fail(found):
        raise ValueError("no figures")

    monkeypatch.setattr(numbers, "drawn", fail)
    with pytest.raises(ValueError, match="no figures"):
        export.write(found, written, tmp_path / "new")
    assert names(tmp_path) == set()


def test_the_command_says_what_it_wrote_or_why_not(stored_results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(numbers, "drawn", lambda found: {})
    monkeypatch.setattr(sys, "argv", ["export", str(stored_results / "fake"), str(tmp_path / "to")])
    assert export.main() == 0 and " files, " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["export", str(tmp_path / "nothing"), str(tmp_path / "to")])
    assert export.main() == 2 and "run `make study` first" in capsys.readouterr().out
