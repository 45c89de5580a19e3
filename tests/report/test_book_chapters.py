import json

import pytest
from jinja2 import UndefinedError

from stilts_utils import ROOT
from stilts_utils.report import book
from stilts_utils.tables import provenance

pytest_plugins = ["tests.fake_study"]


def book_source(folder, template=None):
    """A book's source with the template alone."""
    template = template or (ROOT / "book" / book.TEMPLATE).read_text(encoding="utf8")
    (folder / book.TEMPLATE).write_text(template, encoding="utf8")
    return folder


@pytest.fixture(scope="module")
def written(stored_results, tmp_path_factory):
    """The source with the chapters, and their entries."""
    source = book_source(tmp_path_factory.mktemp("book"))
    return source, book.write(source, "mini", stored_results)


def test_every_stored_study_but_that_of_the_book_gets_a_chapter(stored_results, written, tmp_path):
    names = provenance.stored(stored_results)
    assert len(names) == 2 and "read" in names
    assert [entry["file"] for entry in written[1]] == [f"studies/{name}" for name in names]
    (other,) = (name for name in names if name != "read")
    assert [entry["file"] for entry in book.write(book_source(tmp_path), "read", stored_results)] == [
        f"studies/{other}"
    ]


def test_a_chapter_states_the_findings_of_its_tables(stored_results, written):
    text = (written[0] / "studies/read.md").read_text(encoding="utf8")
    numbers = json.loads((written[0] / "studies/read/numbers.json").read_text(encoding="utf8"))
    for name in ("answer_sentence", "answer_quality_sentence", "material_note", "ran_on"):
        assert numbers[name] in text
    assert f"commit {provenance.read(stored_results / 'read')['commit']}" in numbers["ran_on"]
    assert "data sets" in numbers["material_note"] and "{{" not in text


def test_all_that_a_chapter_includes_is_there(written):
    text = (written[0] / "studies/read.md").read_text(encoding="utf8")
    files = [word for word in text.split() if word.startswith("read/generated/")]
    assert len(files) > 8
    assert all((written[0] / "studies" / file).stat().st_size for file in files)


def test_a_number_that_the_report_lacks_stops_it(stored_results, tmp_path):
    with pytest.raises(UndefinedError, match="number_nobody_made"):
        book.write(book_source(tmp_path, "# {{ number_nobody_made }}\n"), "mini", stored_results)


def test_without_stored_results_there_is_no_chapter(tmp_path):
    assert book.write(book_source(tmp_path), "mini", tmp_path / "nothing") == []
