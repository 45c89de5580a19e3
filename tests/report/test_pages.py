import json

import pytest

from stilts_utils import ROOT
from stilts_utils.report import pages
from stilts_utils.tables import executed

FILES = {"1_pretrained": "1_pretrained-baseline.ipynb", "3_target": "3_target-a-4-s1.ipynb"}


def executed_page(*outputs, map_line=True):
    """A target notebook that was executed, with or without the way through the phases."""
    lines = ["# Target: scored?", *(["", pages.way("3_target")] if map_line else []), "", "What is scored?"]
    code = {"cell_type": "code", "source": "scores", "metadata": {"tags": ["shows"]}, "outputs": list(outputs)}
    return {"metadata": {}, "cells": [{"cell_type": "markdown", "source": "\n".join(lines), "metadata": {}}, code]}


def result(kind, text):
    return {"output_type": "execute_result", "metadata": {}, "data": {kind: text}}


def test_the_way_marks_this_page_and_links_those_that_there_are():
    assert pages.way("3_target", FILES) == (
        "[1 Pretrained](1_pretrained-baseline.ipynb) → 2 Intermediate → **3 Target** → 4 Inference → 5 Findings"
    )
    assert pages.way("5_findings").endswith("[4 Inference](4_inference.ipynb) → **5 Findings**")


@pytest.mark.parametrize("map_line", [True, False])
def test_a_page_is_headed_by_its_run_the_way_and_what_uses_it(map_line):
    page = pages.page(executed_page(map_line=map_line), "3_target", "a-4-s1", FILES, "[your run](chapter.md)")
    assert page["cells"][0]["source"].split("\n") == [
        "# Target (a-4-s1): scored?",
        "",
        pages.way("3_target", FILES),
        "",
        "Its numbers stand in [your run](chapter.md).",
        "",
        "What is scored?",
    ]


@pytest.mark.parametrize(
    "output, folded",
    [
        (result("text/plain", "x" * 5000), True),
        (result("text/html", "<tr>" * 40), True),
        ({"output_type": "stream", "name": "stdout", "text": ["x" * 5000]}, True),
        (result("text/plain", "a line"), False),
        (result("text/html", "<tr>" * 5), False),
        (result("image/svg+xml", "<svg>" + "x" * 9000), False),
    ],
)
def test_long_outputs_are_folded(output, folded):
    page = pages.page(executed_page(output), "3_target", "", FILES, "x")
    assert executed.tags(page["cells"][1]) == ["shows", *([pages.FOLDED] if folded else [])]


@pytest.fixture
def results(tmp_path):
    """Stored results with two notebooks."""
    folder = tmp_path / "results/fake" / executed.FOLDER
    for key in FILES:
        file = folder / key / ("baseline.ipynb" if key == "1_pretrained" else "a-4-s1.ipynb")
        file.parent.mkdir(parents=True)
        page = (ROOT / f"notebooks/{key}.ipynb").read_text(encoding="utf8")
        file.write_text(page, encoding="utf8")
    return tmp_path / "results/fake"


def test_the_appendix_lists_the_stored_notebooks(results, tmp_path):
    found = pages.stored(results)
    assert list(found) == ["1_pretrained/baseline", "3_target/a-4-s1"]
    entry = pages.appendix(found, tmp_path, "fake", "A fake study", "[A fake study](/book/results.md)")
    files = [section["file"] for section in entry["sections"]]
    assert files == [f"book/studies/fake/notebooks/{name.removesuffix('.ipynb')}" for name in FILES.values()]
    listed = (tmp_path / f"{entry['file']}.md").read_text(encoding="utf8")
    assert listed.startswith("# A fake study: notebooks\n")
    for name, file in zip(FILES.values(), files, strict=True):
        assert f"](notebooks/{name}) |" in listed
        page = json.loads((tmp_path / f"{file}.ipynb").read_text(encoding="utf8"))
        assert "stand in [A fake study](/book/results.md)." in "".join(page["cells"][0]["source"])


def test_a_study_without_stored_notebooks_is_not_listed(tmp_path):
    assert pages.appendix(pages.stored(tmp_path), tmp_path, "fake", "A fake study", "x") is None
