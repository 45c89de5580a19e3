import html
import json
import re
import shutil

import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.report import book
from stilts_utils.report.book import BookError

pytest_plugins = ["tests.fake_study"]
RUNS = {
    "1_pretrained/baseline": "Pretrained baseline",
    "2_intermediate/temprel-s1": "Intermediate temprel-s1",
    "2_intermediate/temprel-s2": "Intermediate temprel-s2",
    "3_target/none-0-s1": "Target none-0-s1",
    "3_target/temprel-4-s1": "Target temprel-4-s1",
    "3_target/temprel-4-s2": "Target temprel-4-s2",
    "4_inference/mc_facts": "Inference mc_facts",
    "5_findings": "Findings",
}


@pytest.fixture
def study(tmp_path, about, monkeypatch):
    """The folder of a study that has run: executed notebooks and a small report; no other results are stored."""
    monkeypatch.setattr(book, "RESULTS", tmp_path / "results")
    folder = tmp_path / "fake"
    for run in RUNS:
        (folder / run).mkdir(parents=True)
        shutil.copy(ROOT / "notebooks" / f"{run.split('/')[0]}.ipynb", folder / run / "notebook.ipynb")
        shutil.copy(folder / run / "notebook.ipynb", folder / run / "log.ipynb")
    (folder / "1_pretrained/baseline/tables").mkdir()
    (folder / "1_pretrained/baseline/tables/provenance.json").write_text(json.dumps(about), encoding="utf8")
    (folder / "5_findings/report/generated").mkdir(parents=True)
    (folder / "5_findings/report/generated/answer.md").write_text("| a |\n|:--|\n| 1 |\n", encoding="utf8")
    (folder / "5_findings/report/numbers.json").write_text('{"margin_percent": "2 ± 0"}', encoding="utf8")
    return folder


@pytest.fixture
def source(study):
    """The book's source, put together."""
    book.assemble(study, study / "book")
    return study / "book"


def chapters(source) -> list[dict]:
    """Every entry of the appendix, nested ones too."""
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))
    assert toc["parts"][-1]["caption"] == "Executed notebooks"
    found = []
    for chapter in toc["parts"][-1]["chapters"]:
        found += [chapter, *chapter.get("sections", [])]
    return found


def test_pages_report_and_mathjax_are_in_place(source):
    pages = {path.name for path in (ROOT / "book").glob("*.md")}
    assert pages <= {path.name for path in source.iterdir()}
    assert (source / "generated/answer.md").read_text(encoding="utf8").startswith("| a |")
    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf8"))
    assert (source / config["sphinx"]["config"]["html_static_path"][0]).stat().st_size > 100_000
    assert config["parse"]["myst_substitutions"] == {"margin_percent": "2 ± 0"}
    assert config["title"] == yaml.safe_load((ROOT / "book/_config.yml").read_text(encoding="utf8"))["title"]


def test_the_appendix_lists_every_executed_notebook_under_its_own_title(source):
    listed = chapters(source)
    assert [chapter["title"] for chapter in listed] == list(RUNS.values())
    assert len({chapter["file"] for chapter in listed}) == len(RUNS)
    assert all((source / f"{chapter['file']}.ipynb").is_file() for chapter in listed)
    assert len(list((source / "executed").iterdir())) == len(RUNS)


def test_a_run_that_the_study_no_longer_has_is_not_in_the_book(study):
    shutil.copytree(study / "3_target/temprel-4-s1", study / "3_target/temprel-8-s1")
    book.assemble(study, study / "book")
    assert [chapter["title"] for chapter in chapters(study / "book")] == list(RUNS.values())


def test_the_runs_of_a_phase_stand_below_the_first(source):
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))
    assert [chapter["title"].split()[0] for chapter in toc["parts"][-1]["chapters"]] == list(book.TITLES.values())
    assert [len(chapter.get("sections", [])) for chapter in toc["parts"][-1]["chapters"]] == [0, 1, 2, 0, 0]


def test_the_pages_of_the_book_come_before_the_appendix(source):
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))
    files = [chapter["file"] for part in toc["parts"][:-1] for chapter in part["chapters"]]
    assert {*files, toc["root"]} == {path.stem for path in (ROOT / "book").glob("*.md")}


def test_a_notebook_is_headed_by_its_run_and_otherwise_as_it_was_executed(study, source):
    executed = json.loads((study / "3_target/temprel-4-s1/notebook.ipynb").read_text(encoding="utf8"))
    shown = json.loads((source / "executed/3_target-temprel-4-s1.ipynb").read_text(encoding="utf8"))
    heading, rest = "".join(shown["cells"][0]["source"]).split("\n", 1)
    assert heading == "# Target (temprel-4-s1): fine-tuned in English, scored in every language"
    assert rest == "".join(executed["cells"][0]["source"]).split("\n", 1)[1]
    assert shown["cells"][1:] == executed["cells"][1:]
    findings = json.loads((source / "executed/5_findings.ipynb").read_text(encoding="utf8"))
    assert "".join(findings["cells"][0]["source"]).startswith("# Findings: the answer, from tables\n")


def test_what_an_older_book_left_is_gone(study, source):
    (source / "old.md").write_text("old", encoding="utf8")
    (source / "_build").mkdir()
    book.assemble(study, source)
    assert not (source / "old.md").exists() and not (source / "_build").exists()


@pytest.mark.parametrize("name", ["report", "report/numbers.json"])
def test_a_missing_report_names_the_next_command(study, name):
    path = study / "5_findings" / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BookError, match=r"has no numbers.json; run `make study STUDY=fake` first"):
        book.build(study)
    assert not (study / "book").exists()


def test_a_page_that_names_an_unknown_number_stops_the_build(study, tmp_path, monkeypatch, capsys):
    pages = tmp_path / "root" / "book"
    pages.mkdir(parents=True)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / "book" / name, pages)
    (pages / "_toc.yml").write_text("format: jb-book\nroot: index\nparts: []\n", encoding="utf8")
    (pages / "index.md").write_text("# A page\n\n{{ margin_percent }} and {{ number_nobody_made }}\n", encoding="utf8")
    monkeypatch.setattr(book, "ROOT", tmp_path / "root")
    with pytest.raises(BookError, match="did not build") as error:
        book.build(study)
    troubles = str(error.value).split("\n")[1:]
    assert [line for line in troubles if "index.md:3" in line and "number_nobody_made" in line]
    assert "margin_percent" not in str(error.value)
    assert "number_nobody_made" in capsys.readouterr().out


def test_the_pages_build_without_a_warning_and_show_the_numbers(study, fake_report, stored_results, monkeypatch):
    monkeypatch.setattr(book, "RESULTS", stored_results)
    folder, numbers = fake_report
    shutil.copytree(folder, study / "5_findings" / "report", dirs_exist_ok=True)
    index = book.build(study)
    text = html.unescape(re.sub(r"<[^>]+>", "", index.read_text(encoding="utf8")))
    assert numbers["answer_sentence"] in text and numbers["answer_quality_sentence"] in text
    for page in (ROOT / "book").glob("*.md"):
        assert "{{" not in (index.parent / f"{page.stem}.html").read_text(encoding="utf8").split("<main")[1]
    assert (index.parent / "executed" / "5_findings.html").is_file()
    assert "studies/read.html" in index.read_text(encoding="utf8")
