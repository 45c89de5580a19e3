import json
import shutil

import pytest
import yaml

from stilts_utils.report import chapters
from stilts_utils.report.chapters import BookError
from stilts_utils.report.unfilled import UnfilledError
from stilts_utils.tables import provenance
from stilts_utils.tables.errors import RecordError
from tests.book_root import RUNS

pytest_plugins = ["tests.fake_study", "tests.book_root"]


@pytest.fixture(scope="module")
def written(root, run):
    """The values of the pages of a book with a run in it."""
    return chapters.write(root, "fake", run)


def parts(root) -> dict[str, list[dict]]:
    """Caption -> chapters, nested ones too, of the table of contents that was written."""
    toc = yaml.safe_load((root / "book/studies/_toc.yml").read_text(encoding="utf8"))
    assert toc["root"] == "book/index"
    entries = {part["caption"]: [] for part in toc["parts"]}
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            entries[part["caption"]] += [chapter, *chapter.get("sections", [])]
    return entries


def test_the_leading_study_fills_the_pages_and_the_others_have_a_chapter(root, written):
    assert list(written) == ["", "book/studies/read", "book/studies/untimed", "book/run/chapter"]
    assert [values["prefix"] for values in written.values()] == ["", "read-", "untimed-", "run-"]
    assert [values["timed"] for values in written.values()] == [True, True, False, True]
    assert written[""]["study_title"] == "A fake study"
    assert written[""]["generated"] == "/book/studies/fake/generated"
    assert "data sets" in written["book/studies/read"]["material_note"]
    assert parts(root)[chapters.REAL][1:] == [{"file": "book/studies/read"}]
    assert parts(root)[chapters.EMBEDDED][3:] == [{"file": "book/studies/untimed"}]
    other = chapters.write(root, "read")
    assert list(other) == ["book/studies/fake", "", "book/studies/untimed"] and "Your run" not in parts(root)


def test_values_and_files_of_every_page_are_there(root, run):
    values = chapters.write(root, "fake", run)
    for page, about in values.items():
        folder = root / about["generated"].strip("/")
        assert {"quality.md", "quality.svg", "pipeline.svg"} <= {path.name for path in folder.iterdir()}
        assert (folder / "answer.svg").is_file() == about["timed"]
        assert not page or (root / f"{page}.md").read_text(encoding="utf8").startswith("# ")
    commit = provenance.read(root / "results/read")["commit"]
    assert f"commit {commit}" in values["book/studies/read"]["ran_on"]


def test_the_run_is_listed_with_every_executed_notebook_under_its_own_title(root, run):
    chapters.write(root, "fake", run)
    first, *listed = parts(root)["Your run"]
    assert first == {"file": "book/run/chapter"}
    assert [entry["title"] for entry in listed] == list(RUNS.values())
    assert all((root / f"{entry['file']}.ipynb").is_file() for entry in listed)
    assert len(list((root / "book/run").glob("*.ipynb"))) == len(RUNS)


def test_a_run_that_the_study_no_longer_has_is_not_in_the_book(root, run):
    extra = run / "3_target/temprel-8-s1"
    shutil.copytree(run / "3_target/temprel-4-s1", extra)
    try:
        chapters.write(root, "fake", run)
    finally:
        shutil.rmtree(extra)
    assert [entry["title"] for entry in parts(root)["Your run"][1:]] == list(RUNS.values())


def test_a_notebook_is_headed_by_its_run_and_leads_to_the_others_and_the_chapter(root, run):
    chapters.write(root, "fake", run)
    shown = json.loads((root / "book/run/3_target-temprel-4-s1.ipynb").read_text(encoding="utf8"))
    lines = "".join(shown["cells"][0]["source"]).split("\n")
    assert lines[0] == "# Target (temprel-4-s1): fine-tuned in English, scored in every language"
    assert "[2 Intermediate](2_intermediate-temprel-s1.ipynb) → **3 Target** →" in lines[2]
    assert lines[4] == "Its numbers stand in [the chapter on your run](chapter.md)."


def test_stored_notebooks_are_the_appendix(root, run):
    copy = root / "results/read/notebooks/3_target/a-4-s1.ipynb"
    copy.parent.mkdir(parents=True)
    shutil.copy(run / "3_target/temprel-4-s1/notebook.ipynb", copy)
    try:
        values = chapters.write(root, "fake", run)
        listed = [entry["file"] for entry in parts(root)[chapters.APPENDIX]]
    finally:
        shutil.rmtree(root / "results/read/notebooks")
    assert listed == ["book/studies/read/notebooks", "book/studies/read/notebooks/3_target-a-4-s1"]
    assert list(values) == ["", "book/studies/read", "book/studies/untimed", "book/run/chapter"]
    heading = values["book/studies/read"]["heading"]
    assert f"of those behind [{heading}](/book/studies/read.md)" in (root / f"{listed[0]}.md").read_text(
        encoding="utf8"
    )


def test_a_second_writing_leaves_times_alone_and_nothing_of_a_former_run(root, run):
    chapters.write(root, "fake", run)
    made = {path: path.stat().st_mtime_ns for path in (root / "book").rglob("*") if path.suffix != ".yml"}
    chapters.write(root, "fake", run)
    assert {p: time for p, time in made.items() if p.is_file()} == {
        p: p.stat().st_mtime_ns for p in made if p.is_file()
    }
    chapters.write(root, "fake")
    assert not (root / "book/run").exists()


@pytest.mark.parametrize("name", ["report", "report/numbers.json"])
def test_a_missing_report_names_the_next_command(root, tmp_path, name):
    report = tmp_path / "fake/5_findings/report"
    report.mkdir(parents=True)
    if name == "report":
        report.rmdir()
    with pytest.raises(BookError, match=r"has no numbers.json; run `make study STUDY=fake` first"):
        chapters.write(root, "fake", tmp_path / "fake")


def test_a_leading_study_without_results_is_refused(root):
    with pytest.raises(BookError, match=r"results/mini has no tables; .*book_study.*\['fake', 'read', 'untimed'\]"):
        chapters.write(root, "mini")


def test_a_heading_holds_no_tag(root, tmp_path):
    (tmp_path / "numbers.json").write_text(json.dumps({"study_title": "A <b> & c"}), encoding="utf8")
    (tmp_path / "tables.json").write_text("{}", encoding="utf8")
    (tmp_path / "answer.json").write_text(json.dumps({"about": {"real": False}, "rows": []}), encoding="utf8")
    report = shutil.copytree(tmp_path, root / "book/odd")
    assert chapters._values(root, report, "odd")["heading"] == "A ‹b› & c"
    shutil.rmtree(report)


def test_results_that_cannot_be_read_spoil_their_own_chapter_only(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "root", ignore=lambda *_: {"_build", "runs"})
    (copy / "results/read/noise.parquet").write_bytes(b"no table")
    values = chapters.write(copy, "fake")
    assert list(values) == ["", "book/studies/read", "book/studies/untimed"]
    assert values["book/studies/read"]["reason"].startswith(
        "RecordError: results/read/noise.parquet is not what was written: it is no Parquet file that can be read"
    )
    assert (copy / "book/studies/read.md").read_text(encoding="utf8").startswith("# {{ name }}")
    with pytest.raises(BookError, match="results/read leads the book and cannot be read: RecordError: "):
        chapters.write(copy, "read")


def test_a_folder_of_results_has_the_name_of_a_study(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "root", ignore=lambda *_: {"_build", "runs"})
    (copy / "results/read").rename(copy / "results/a ]( b")
    with pytest.raises(RecordError, match=r"results has a folder 'a \]\( b', allowed: small letters"):
        chapters.write(copy, "fake")


def test_every_table_and_figure_leads_to_its_data_its_notebook_and_its_run(root, run):
    values = chapters.write(root, "fake", run)
    own = values["book/run/chapter"]
    assert own["notebooks"]["4_inference"] == "/book/run/4_inference-mc_facts-s1" and own["runs_page"] == "chapter.html"
    assert values[""]["notebooks"] == {} and values[""]["runs_page"] == "results.html"
    for page in values.values():
        folder = root / page["generated"].strip("/")
        shown = {path.stem for path in folder.glob("*.md")} | {
            f"figure_{path.stem.removesuffix('-narrow')}" for path in folder.glob("*.svg")
        }
        assert shown - {"figure_pipeline"} <= set(page["data"]) and set(page["data"]) <= page["phases"].keys()
        runs = (folder / "runs.md").read_text(encoding="utf8")
        assert all(f'id="run-{page["prefix"]}{phase}"' in runs for phase in page["phases"].values() if phase)
        assert "%prefix%" not in "".join(path.read_text(encoding="utf8") for path in folder.glob("*.md"))
    assert (root / "book/studies/answer.csv").read_text(encoding="utf8").startswith("study,shown,question,verdict")


def test_a_hole_in_any_study_stops_the_book_and_is_named(root, monkeypatch):
    hole = UnfilledError("results of read: table quality, column 'Score', row 2 is nan")
    monkeypatch.setattr(chapters.cache, "reports", lambda folders: {folder.name: hole for folder in folders})
    with pytest.raises(BookError, match="results of read: table quality, column 'Score', row 2 is nan"):
        chapters.write(root, "fake")
