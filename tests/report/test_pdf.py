"""Printing needs a browser and a built book; that it prints what was built, the tests of the graph check."""

import re

import pytest

from stilts_utils import ROOT
from stilts_utils.report import pdf
from stilts_utils.report.chapters import BookError


def test_without_a_browser_it_says_which_to_install(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(BookError, match="needs one of chromium, chromium-browser, google-chrome; install it"):
        pdf.write()


def test_without_a_book_it_says_which_command_comes_first(monkeypatch, tmp_path):
    monkeypatch.setattr(pdf, "browser", lambda: "chromium")
    with pytest.raises(BookError, match="run `make book` first"):
        pdf.write(tmp_path)


def test_the_title_page_names_authors_date_and_commit():
    made = pdf.imprint(ROOT)
    assert made.authors and re.fullmatch(r"\d{4}-\d\d-\d\d", made.date) and made.commit


def test_outside_a_checkout_the_commit_is_unknown(tmp_path):
    (tmp_path / "CITATION.cff").write_text("authors: [{name: We}]\n", encoding="utf8")
    made = pdf.imprint(tmp_path)
    assert (made.authors, made.commit) == ("We", "unknown")
