"""The paper joined from pages that look like those of a built book."""

import re

import pytest
import yaml
from bs4 import BeautifulSoup

from stilts_utils import ROOT
from stilts_utils.report import paper
from stilts_utils.report.chapters import EMBEDDED, REAL, BookError

IMPRINT = paper.Imprint("A. <Author>", "2026-03-09", "abc123")
FIGURE = (
    '<figure id="fig-{0}"><img src="../_images/{0}.svg" alt="a"><figcaption><p><span class="caption-number">Fig. {1} '
)
FIGURE += '</span>Said.<a class="headerlink" href="#fig-{0}">#</a></p></figcaption></figure>'
REF = '<a class="reference internal" href="{}"><span class="std std-numref">{}</span></a>'
HEADINGS = (
    "The answer",
    "What was run on what",
    "Serving: latency and throughput",
    "Early exit",
    "Quality and retrieval",
)
PAGES = {
    "book/index": '<section id="a"><h1>The title</h1><table class="rows"><tr><th>Does it?</th></tr>'
    '<tr><td>The cost of early exit, same threshold</td><td><a href="studies/real.html">A</a></td></tr>'
    "<tr><td>Accuracy kept by int8</td>"
    '<td><a href="results.html">B</a></td></tr><tr><td>Vector search, vectors compared</td><td>–</td></tr></table>'
    + FIGURE.format("forest", 7)
    + f"<p>See {REF.format('#fig-forest', 'Fig. 7')}, {REF.format('design.html#fig-plan', 'Fig. 9')}, "
    f'{REF.format("other.html#fig-z", "Fig. 12")}, <a href="reading.html">words</a>, <a href="other.html">rest</a>, '
    '<a href="https://example.org/x">far</a> and <a href="references.html#id3">Berg</a>.</p>'
    '<section id="why"><h2>Why<a class="headerlink" href="#why">#</a></h2></section></section>',
    "book/reading": '<section id="a"><h1>Words</h1><h2 id="b">The words</h2><h3 id="c">Two</h3><h2>The two bodies of evidence'
    "</h2></section>",
    "book/question": '<section id="a"><h1>Q</h1>'
    + "".join(f"<section><h2>{name}</h2></section>" for name in (*paper.BEFORE[2].sections, "The systems"))
    + "</section>",
    "book/design": f'<section id="a"><h1>Design</h1>{FIGURE.format("plan", 9)}<div class="math">\\(x\\)</div></section>',
    "book/studies/real": '<section id="a"><h1>Real</h1><details><p>folded</p></details>'
    '<img src="../../_images/b.svg" alt="b">'
    + "".join(f'<section id="s{number}"><h2>{heading}</h2></section>' for number, heading in enumerate(HEADINGS))
    + "</section>",
    "book/studies/unused": '<section id="a"><h1>Unused</h1></section>',
    "book/results": '<section id="a"><h1>Small</h1><section id="s1"><h2>The answer</h2></section><section id="s2">'
    "<h2>Serving: latency and throughput</h2></section></section>",
    "book/limitations": '<section id="a"><h1>Limits</h1><div class="links"><p>Shown: a part. <a href="a.csv">data</a> · <a '
    'href="b.html">run</a></p></div></section>',
    "book/references": '<section id="a"><h1>References</h1><div class="citation" id="id3">Berg</div>'
    '<div class="citation" id="id4">Nobody</div></section>',
}
SHELL = '<html><head><script src="{}_static/other.js"></script><script>window.MathJax = {{}}</script>'
SHELL += (
    '<script src="{}_static/tex-svg.js?v=1"></script></head><body><nav>menu</nav><article>{}</article></body></html>'
)


@pytest.fixture
def built(tmp_path):
    """The folder of the pages and the table of contents."""
    for page, text in PAGES.items():
        file = tmp_path / f"{page}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * page.count("/")
        file.write_text(SHELL.format(up, up, text), encoding="utf8")
    chapters = {REAL: ["book/studies/real", "book/studies/unused"], EMBEDDED: ["book/results"]}
    parts = [
        {"caption": name, "chapters": [{"file": page} for page in pages]} for name, pages in reversed(chapters.items())
    ]
    toc = tmp_path / "_toc.yml"
    toc.write_text(yaml.safe_dump({"parts": parts}), encoding="utf8")
    return tmp_path, toc


@pytest.fixture
def soup(built):
    return BeautifulSoup(paper.joined(*built, IMPRINT), "html.parser")


def test_chapters_behind_the_answer_are_in_it_with_the_sections_of_its_rows(built):
    chosen = paper.parts(*built)
    assert chosen[: len(paper.BEFORE)] == [*paper.BEFORE] and chosen[-len(paper.AFTER) :] == [*paper.AFTER]
    assert chosen[len(paper.BEFORE) : -len(paper.AFTER)] == [
        paper.Part("book/studies/real", ("The answer", "What was run on what", "Early exit")),
        paper.Part("book/results", ("The answer",)),
    ]


def test_every_section_that_is_chosen_is_one_of_its_page():
    text = "".join(path.read_text(encoding="utf8") for path in (ROOT / "book").glob("*.md.jinja"))
    chapters = {*paper.SECTIONS.values(), paper.ANSWER, paper.SETUP}
    assert chapters <= set(re.findall("^## (.*)$", text, re.M))
    for part in paper.BEFORE:
        text = (ROOT / f"{part.page}.md").read_text(encoding="utf8")
        assert set(part.sections or ()) <= set(re.findall("^## (.*)$", text, re.M)), part.page


def test_sections_are_numbered_and_an_embedded_study_is_short(soup):
    headings = [heading.get_text().replace("\u2002", " ") for heading in soup.main.find_all(["h1", "h2", "h3"])]
    assert headings[:5] == ["1 The answer", "1.1 Why", "2 Words", "2.1 The words", "2.1.1 Two"]
    assert headings[5:] == [
        *("2.2 The two bodies of evidence", "3 Q", "3.1 Why it is open", "3.2 The nine claims it starts from"),
        *("3.3 Related work", "4 Design"),
        *("5 Real", "5.1 The answer", "5.2 What was run on what", "5.3 Early exit"),
        *("6 Small", "6.1 The answer", "7 Limits", "References"),
    ]


def test_figures_are_numbered_anew_wherever_they_are_named(soup):
    assert [number.get_text() for number in soup.select("figcaption .caption-number")] == ["Figure 1. ", "Figure 2. "]
    said = soup.select_one("#p0 p:not(figcaption p)").get_text()
    assert said.startswith("See Figure 1, Figure 2, Fig. 12 of the book, words, rest, far and Berg.")


def test_every_link_leads_somewhere(soup):
    links = {link.get_text(): link["href"] for link in soup.find_all("a")}
    assert links == {
        **{"A": "#p4", "B": "#p5", "Figure 1": "#p0-fig-forest", "Figure 2": "#p3-fig-plan"},
        **{"words": "#p1", "far": "https://example.org/x", "Berg": "#p7-id3"},
    }
    ids = [element["id"] for element in soup.find_all(id=True)]
    assert len(ids) == len(set(ids)) and {link[1:] for link in links.values() if link[0] == "#"} <= set(ids)


def test_pictures_and_formulas_are_found_from_the_first_page(soup):
    assert [image["src"] for image in soup.find_all("img")] == [
        "_images/forest.svg",
        "_images/plan.svg",
        "_images/b.svg",
    ]
    assert [script.get("src") for script in soup.find_all("script")] == [None, "_static/tex-svg.js?v=1"]


def test_what_is_for_a_screen_and_works_that_are_not_cited_are_left_out(soup):
    text = soup.get_text()
    assert "folded" not in text and "menu" not in text and "#" not in soup.main.get_text()
    assert "Berg" in text and "Nobody" not in text


def test_the_title_page_says_who_and_which_version(soup):
    assert soup.header.get_text("|", strip=True) == "The title|A. <Author>|2026-03-09 · commit abc123"


def test_a_line_of_links_keeps_its_words(soup):
    assert soup.select_one(".links").get_text(" ", strip=True) == "Shown: a part."


def test_a_missing_section_is_named(built):
    file = built[0] / "book/studies/real.html"
    file.write_text(file.read_text(encoding="utf8").replace("Early exit", "Exits"), encoding="utf8")
    with pytest.raises(BookError, match="section 'Early exit' of book/studies/real, which has: The answer, What"):
        paper.joined(*built, IMPRINT)


def test_a_missing_page_is_named(built):
    (built[0] / "book/design.html").unlink()
    with pytest.raises(BookError, match="book/design.html"):
        paper.joined(*built, IMPRINT)
