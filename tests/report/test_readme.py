import re

import pytest

from stilts_utils import ROOT
from stilts_utils.report import readme
from stilts_utils.study.settings import CACHE

pytest_plugins = ["tests.fake_study"]
TEXT = f"# Title\n\n{readme.BEGIN}\n\nold answer\n\n{readme.END}\n\nThe rest \\1 stays.\n"


@pytest.fixture
def report(fake_report):
    """The folder of the report of the fake study."""
    return fake_report[0]


def test_the_answer_is_replaced_and_the_rest_kept(report):
    text = readme.replaced(TEXT, report, {"other": report})
    before, after = text.split(readme.block(report, {"other": report}))
    assert before == f"# Title\n\n{readme.BEGIN}\n\n" and after == f"\n\n{readme.END}\n\nThe rest \\1 stays.\n"
    assert "old answer" not in text


def test_replacing_twice_changes_nothing(report):
    once = readme.replaced(TEXT, report, {"other": report})
    assert readme.replaced(once, report, {"other": report}) == once


@pytest.mark.parametrize("marker", [readme.BEGIN, readme.END])
def test_a_missing_marker_stops(report, marker):
    with pytest.raises(ValueError, match="markers"):
        readme.replaced(TEXT.replace(marker, ""), report, {})


def test_the_answer_says_what_it_is_about(report):
    block = readme.block(report, {"other": report})
    assert block.startswith("**Up to 16 steps of intermediate training on temprel left latency")
    assert "temprel left mc_facts (+20.0 [" in block and "Controls passed in 4 of 4" in block
    assert "a tiny random encoder (3 layers)" in block and "not on XTREME-R itself" in block
    assert "commit 0123456789ab" in block and "{" not in block
    assert "([tables](results/other), a chapter of the book): Up to 16 steps" in block


def test_the_readme_says_what_the_reference_results_say(monkeypatch):
    monkeypatch.delenv(CACHE)  # the reports of this checkout are kept: its book is built from the same
    assert readme.RESULTS.is_dir(), f"no {readme.RESULTS}: run `make study` and `make results`"
    text = (ROOT / "README.md").read_text(encoding="utf8")
    said = re.search(f"{re.escape(readme.BEGIN)}\n\n(.*)\n\n{re.escape(readme.END)}", text, re.S)
    assert said and said[1] == readme.block(*readme.reports()), "run `make results`"
    assert (readme.RESULTS / "answer.svg").is_file(), "run `make results`"


def test_the_line_of_a_study_that_was_not_timed_has_its_quality_and_its_exit_layers(report, untimed_report):
    line = readme.block(report, {"other": untimed_report[0]}).split("\n\n")[-1]
    assert "a chapter of the book): Over 16 steps, temprel left 2 of 2 targets undecided" in line
    assert "not timed; trained and scored on A fake CPU" in line
    assert "latency" not in line and "16 steps move the mean exit layer" in line
