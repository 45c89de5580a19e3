"""The book of results that somebody wrote to run code on the machine or in the browser of a reader."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

from tests import hostile
from tests.report.test_book import build, text_of

pytest_plugins = ["tests.fake_study", "tests.book_root"]


class Active(HTMLParser):
    """Collects what a browser would run or fetch on behalf of a hostile value."""

    def __init__(self, page: Path):
        super().__init__()
        self.found, self.within = [], ""
        self.feed(page.read_text(encoding="utf8"))

    def handle_starttag(self, tag, attrs):
        self.within = tag
        for name, value in attrs:
            own = name in ("href", "src", "xlink:href") and any(
                part in (value or "") for part in ("javascript:", "://evil")
            )
            if own or (name.startswith("on") and "alert" in (value or "")):
                self.found.append((tag, name, value))

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, data):
        if self.within in ("script", "style") and "alert(" in data:
            self.found.append((self.within, data))


def test_hostile_results_are_shown_as_text_and_spoil_no_other_chapter(root, tmp_path, monkeypatch):
    copy = shutil.copytree(root, tmp_path / "root", ignore=lambda *_: {"_build", "runs"})
    hostile.write(copy / "results/hostile")
    (copy / "results/read/provenance.json").write_text("{" + hostile.EVERY, encoding="utf8")
    monkeypatch.chdir(tmp_path)
    pages = build(copy).parent / "book"  # every warning is an error
    assert not list(tmp_path.rglob(hostile.MARK))
    made = [*pages.rglob("*.html"), *(copy / "book/studies/hostile").rglob("*.svg")]
    assert {page.name: found for page in made if (found := Active(page).found)} == {}
    shown = text_of(pages / "studies/hostile.html")
    for text in (
        "{{ cycler",
        "<script>alert",
        "[here](javascript:alert)",
        "{numref}`fig-nowhere`",
        "a | b || c",
        "$x$ $$",
    ):
        assert text in shown, text
    assert "it was not timed" in text_of(pages / "studies/untimed.html")
    assert "cannot be shown" in text_of(pages / "studies/read.html")
