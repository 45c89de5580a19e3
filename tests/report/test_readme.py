import re

import pytest

from stilts_utils import ROOT
from stilts_utils.report import readme
from stilts_utils.study.settings import CACHE

pytest_plugins = ["tests.fake_study"]
TEXT = f"# Title\n\n{readme.BEGIN}\n\nold answer\n\n{readme.END}\n\nThe rest \\1 stays.\n"


WORDS, NUMBERS = 250, 60


@pytest.fixture
def reports(fake_report, untimed_report):
    """The reports of two studies."""
    return {"fake": fake_report[0], "other": untimed_report[0]}


def test_the_answer_is_replaced_and_the_rest_kept(reports):
    text = readme.replaced(TEXT, reports)
    before, after = text.split(readme.block(reports))
    assert before == f"# Title\n\n{readme.BEGIN}\n\n" and after == f"\n\n{readme.END}\n\nThe rest \\1 stays.\n"
    assert "old answer" not in text


def test_replacing_twice_changes_nothing(reports):
    once = readme.replaced(TEXT, reports)
    assert readme.replaced(once, reports) == once


@pytest.mark.parametrize("marker", [readme.BEGIN, readme.END])
def test_a_missing_marker_stops(reports, marker):
    with pytest.raises(ValueError, match="markers"):
        readme.replaced(TEXT.replace(marker, ""), reports)


def test_the_answer_says_what_it_rests_on(reports):
    block = readme.block(reports)
    assert block.startswith("**Longer intermediate training ")
    assert "|Latency of a dense model|" in block and "[A](results/fake)" in block
    assert "A: generated tasks, 3 layers, 2 seeds, 16 steps, CPU" in block and "{" not in block


def test_the_readme_says_what_the_stored_results_say(monkeypatch):
    monkeypatch.delenv(CACHE)  # the reports of this checkout are kept: its book is built from the same
    text = (ROOT / "README.md").read_text(encoding="utf8")
    said = re.search(f"{re.escape(readme.BEGIN)}\n\n(.*)\n\n{re.escape(readme.END)}", text, re.S)
    assert said and said[1] == readme.block(readme.reports()), "run `make results`"
    assert (readme.RESULTS / readme.FIGURE).is_file(), "run `make results`"


def test_the_readme_is_read_in_a_minute():
    text = (ROOT / "README.md").read_text(encoding="utf8")
    answer = text.split(readme.BEGIN)[1].split(readme.END)[0]
    assert len(answer.split()) <= WORDS  # as the file has them
    words = [word for word in answer.replace("|", " ").split() if re.search(r"\w", word)]
    assert len(words) <= WORDS  # as a reader sees them, numbers, pictures and all
    assert len(re.findall(r"\d[\d,.]*", answer)) <= NUMBERS
