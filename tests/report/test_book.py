import html
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.report import book
from stilts_utils.report.chapters import BookError

pytest_plugins = ["tests.fake_study", "tests.book_root"]


def test_values_are_data_and_never_templates(tmp_path):
    values = {"title": "{{ 7 * 7 }} {% raw %}", "name": "fake"}
    (tmp_path / "markup.md.jinja").write_text(
        (ROOT / "book/markup.md.jinja").read_text(encoding="utf8"), encoding="utf8"
    )
    assert book.filled("# {{ title }}\n", values, tmp_path, "a.md") == "# {{ 7 * 7 }} {% raw %}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ number_nobody_made }}", "'number_nobody_made' is undefined in the report of fake"),
        ("{{ name.__class__.__mro__ }}", "unsafe"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_page_that_cannot_be_filled_is_named(text, message):
    with pytest.raises(BookError, match=rf"book/a\.md: .*{message}"):
        book.filled(text, {"name": "fake"}, ROOT / "book", "book/a.md")


def test_a_figure_and_a_table_are_those_of_the_study_shown():
    values = {"prefix": "read-", "generated": "/book/studies/read/generated", "runs_page": "read.html"}
    values |= {
        "said": {"work": "Nothing."},
        "rest": {"early_exit": "Shown: a part."},
        "data": ["early_exit", "figure_layers"],
    }
    values |= {
        "phases": {"early_exit": "4_inference", "layers": "3_target"},
        "notebooks": {"3_target": "/book/a/3_target-x"},
    }
    text = '{% call figure("layers", "Lines.") %}\nA caption.\n{% endcall %}\n'
    text += '{% call table("early_exit") %}\nTwo\nlines.\n{% endcall %}'
    text += '{% call table("work") %}\nAbsent.\n{% endcall %}{{ see("early_exit") }}'
    filled = book.filled(text, values | {"name": "read"}, ROOT / "book", "a.md")
    assert (
        "````{figure} /book/studies/read/generated/layers.svg\n:name: fig-read-layers\n:alt: Lines.\n:class: dark-light\n"
        ":figclass: drawn-twice\n\n**Lines.** A caption.\n\n```{image} /book/studies/read/generated/layers-narrow.svg\n"
        in filled
    )
    assert "{table} Two lines.\n:name: tab-read-early-exit\n" in filled
    assert ":::{include} /book/studies/read/generated/early_exit.md\n:::" in filled
    links = "{download}`data (CSV) </book/studies/read/generated/{}.csv>`"
    run = '<a href="read.html#run-read-{}">run</a>'
    assert f"Shown: a part. {links.replace('{}', 'early_exit')} · {run.format('4_inference')}" in filled
    notebook = "{doc}`notebook </book/a/3_target-x>`"
    assert f"\n{links.replace('{}', 'figure_layers')} · {notebook} · {run.format('3_target')}" in filled
    assert "Absent." not in filled and "Nothing." in filled and filled.strip().endswith("{numref}`tab-read-early-exit`")


def test_no_caption_is_written_twice():
    text = "".join(path.read_text(encoding="utf8") for path in (ROOT / "book").glob("*.md*"))
    called = re.findall(r'{% call (?:figure|table)\("\w+"', text)
    assert len(called) > 30 and len(called) == len(set(called))


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert {*files, toc["root"]} == {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}


def build(root: Path, run: Path | None = None) -> Path:
    """Build with this checkout's package, wherever the environment's own is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return book.build(root, run)


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf8")))


def links_of(page: Path) -> list[tuple[Path, Path, str]]:
    """(page, file, anchor) of every link in the lines under figures and tables, as a browser follows it from file://."""
    lines = re.findall(r'<div class="links docutils">(.*?)</div>', page.read_text(encoding="utf8"), re.S)
    found = [html.unescape(link).partition("#") for line in lines for link in re.findall(r'href="([^"]+)"', line)]
    return [(page, (page.parent / file).resolve(), anchor) for file, _, anchor in found]


def test_it_builds_without_a_warning_and_shows_the_numbers(root, fake_report):
    index = build(root)
    assert index == root / "_build/html/index.html" and "book/index.html" in index.read_text(encoding="utf8")
    pages = index.parent / "book"
    numbers = fake_report[1]
    assert "Longer intermediate training " in text_of(pages / "index.html")
    assert numbers["answer_sentence"] in text_of(pages / "results.html")
    assert numbers["study_headline"] in text_of(pages / "results.html")
    for page in pages.rglob("*.html"):
        assert not {"{{", "{%"} & set(re.findall(r"\{[{%]", page.read_text(encoding="utf8").split("<main")[1])), page
    lines = [line for page in pages.rglob("*.html") for line in links_of(page)]
    assert len(lines) > 100 and not [line for line in lines if not line[1].is_file()]
    runs = [(page, file, anchor) for page, file, anchor in lines if anchor]
    assert len(runs) > 50
    assert not [line for line in runs if f'id="{line[2]}"' not in line[1].read_text(encoding="utf8")]
    assert {file.suffix for _, file, anchor in lines if not anchor} == {".csv"}
    untimed = text_of(pages / "studies/untimed.html")
    assert "it was not timed" in untimed and "Latency" not in untimed.split("The answer")[-1]
    assert "studies/read.html" in (pages / "index.html").read_text(encoding="utf8")
    assert not (pages / "run").exists()
    assert (index.parent / "_static/tex-svg.js").stat().st_size > 100_000


def test_with_a_run_it_lies_in_the_folder_of_the_run(root, run, fake_report):
    index = build(root, run)
    assert index == run / "book/_build/html/index.html"
    pages = index.parent / "book"
    assert "Your run: A fake study" in text_of(pages / "run/chapter.html")
    assert (pages / "run/5_findings.html").is_file()
    assert "run/chapter.html" in (pages / "index.html").read_text(encoding="utf8")


def test_a_number_that_nobody_made_stops_the_build_and_is_named(root, tmp_path):
    shutil.copytree(root, tmp_path / "root", ignore=lambda *_: {"_build", "runs"})
    page = tmp_path / "root/book/tasks.md"
    page.write_text(page.read_text(encoding="utf8") + "\n{{ number_nobody_made }}\n", encoding="utf8")
    with pytest.raises(BookError, match=r"book/tasks\.md: 'number_nobody_made' is undefined"):
        build(tmp_path / "root")
