"""The paper: pages of the built book joined into one HTML, with sections, figures and tables numbered anew.

It reads the pages of a finished build, so that it can say nothing that the book does not.
"""

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

from stilts_utils import ROOT
from stilts_utils.report.answer_rows import QUESTIONS
from stilts_utils.report.chapters import REAL, BookError


@dataclass(frozen=True)
class Part:
    """A page of the book in the paper: its beginning, and the sections with these headings, or all."""

    page: str
    sections: tuple[str, ...] | None = None


BEFORE = (
    Part("book/index"),
    Part("book/reading", ("The two bodies of evidence", "The words")),
    Part("book/question", ("Why it is open", "The nine claims it starts from", "Related work")),
    Part("book/design"),
)
AFTER = (Part("book/limitations"), Part("book/references"))
INDEX, DESIGN, REFERENCES = BEFORE[0].page, BEFORE[-1].page, AFTER[-1].page
# The sections of a chapter that say what it found and on what it rests, and the one that a row of the answer comes from.
ANSWER, SETUP, SERVING, EXITS, QUALITY = (
    "The answer",
    "What was run on what",
    "Serving: latency and throughput",
    "Early exit",
    "Quality and retrieval",
)
SECTIONS = {question: EXITS if question.startswith("exit") else SERVING for question in QUESTIONS}
SECTIONS |= {name: QUALITY for name, question in QUESTIONS.items() if question.says.startswith("Quality")}
# Rows of the answer, and in them the links to the chapters that they come from.
EVIDENCE = "table.rows tr:has(a[href])"
# Only on a screen: folded tables, buttons, signs beside headings, what scripts draw, how to cite, drawings for phones; and in a
# line of links all from its first link on.
SCREEN = "details, button, script, style, iframe, nav, .headerlink, .cite, .screen, .only-dark, img.narrow"
LINKS = ".links a:first-of-type"
HEADINGS = ["h1", "h2", "h3", "h4"]
NUMBERED = re.compile(r"^(?:Fig\.|Table)\s+[\d.]+$")
FEW_COLUMNS = 6  # a table of more is set smaller
FEW_ROWS, LITTLE_TEXT = 16, 1_000  # a table of more rows or characters may go on on the next page
STYLE = Path("book/paper.css")  # a static folder's styles are loaded by every page


@dataclass(frozen=True)
class Imprint:
    """What the title page says beside the title."""

    authors: str
    date: str
    commit: str


def parts(html: Path, toc: Path) -> list[Part]:
    """The pages that make the paper, in order: `toc` is the table of contents that the book was built from.

    Of the chapters on studies, those from which rows of the answer come, those on XTREME-R first: with their answer, what it
    rests on, and the sections of these rows; on the embedded suite with their answer alone.
    """
    headings = {question.says: SECTIONS[name] for name, question in QUESTIONS.items()}
    found = defaultdict(set)
    for row in _article(html, INDEX).select(EVIDENCE):
        place, _ = _target(INDEX, row.find("a", href=True)["href"])
        says = row.find("td").get_text(strip=True).replace("’", "'")  # as Sphinx sets it
        found[place].add(headings[says])
    listed = yaml.safe_load(toc.read_text(encoding="utf8"))["parts"]
    chapters = [(part["caption"] == REAL, chapter["file"]) for part in listed for chapter in part["chapters"]]
    chosen = [(real, page, found[f"{page}.html"]) for real, page in chapters if f"{page}.html" in found]
    on_data = [Part(page, (ANSWER, SETUP, *sorted(carried))) for real, page, carried in chosen if real]
    return [*BEFORE, *on_data, *(Part(page, (ANSWER,)) for real, page, _ in chosen if not real), *AFTER]


def joined(html: Path, toc: Path, imprint: Imprint) -> str:
    """One HTML document; its links to pictures and scripts are relative to `html`.

    Raises BookError if a page is missing, or a section of one.
    """
    chosen = parts(html, toc)
    places = {f"{part.page}.html": f"p{number}" for number, part in enumerate(chosen)}
    soup = BeautifulSoup("", "html.parser")
    sections = [_section(html, part, places) for part in chosen]
    title = sections[0].find("h1").get_text()
    sections[0].find("h1").string = "The answer"
    for section in sections:
        soup.append(section)
    _number_headings(soup)
    _number_captions(soup, html, toc)
    _only_cited(soup)
    for table in soup.find_all("table"):
        rows = table.find_all("tr")
        widest = max((len(row.find_all(["th", "td"])) for row in rows), default=0)
        kinds = {"many": widest > FEW_COLUMNS, "whole": len(rows) <= FEW_ROWS and len(table.get_text()) <= LITTLE_TEXT}
        table["class"] = [*table.get("class", []), *(kind for kind, holds in kinds.items() if holds)]
        if table.caption and not kinds["whole"]:  # Chromium keeps a paragraph with the rows below it, but not a caption
            above = table.caption.extract()
            above.name, above["class"] = "div", "caption"
            table.insert_before(above)
    return _document(title, imprint, str(soup), _mathjax(html))


def _document(title: str, imprint: Imprint, body: str, scripts: str) -> str:
    said = {name: escape(value) for name, value in vars(imprint).items()}
    running = f"{said['date']} · commit {said['commit']}"
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<style>{(ROOT / STYLE).read_text(encoding="utf8")}
@page {{ @top-right {{ content: "{_quoted(running)}"; }} }} @page :first {{ @top-right {{ content: none; }} }}</style>
{scripts}
</head><body>
<header><h1>{escape(title)}</h1><p>{said["authors"]}</p><p>{running}</p></header>
<main>{body}</main>
</body></html>
"""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _soup(html: Path, page: str) -> BeautifulSoup:
    path = html / f"{page}.html"
    if not path.is_file():
        raise BookError(f"the paper needs the page {page}.html, and {html} lacks it; run `make book` first")
    return BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")


def _article(html: Path, page: str) -> Tag:
    return _soup(html, page).select_one("article")


def _mathjax(html: Path) -> str:
    """The scripts that draw formulas, as a page of the book has them."""
    scripts = _soup(html, DESIGN).find_all("script")
    kept = [s for s in scripts if "MathJax" in (s.string or "") or "tex-svg" in s.get("src", "")]
    for script in kept:
        if "src" in script.attrs:
            script["src"] = _target(DESIGN, script["src"])[0]
    return "\n".join(map(str, kept))


def _target(page: str, href: str) -> tuple[str, str]:
    """The file that a relative link of a page leads to, from the root of the book, and the anchor in it."""
    path, anchor = urldefrag(href)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path))) if path else f"{page}.html"
    return path, anchor


def _section(html: Path, part: Part, places: dict[str, str]) -> Tag:
    """The content of a page, with ids and links as they are in the paper."""
    article = _article(html, part.page)
    for element in article.select(SCREEN):
        element.decompose()
    for link in article.select(LINKS):
        for after in list(link.next_siblings):
            after.extract()
        link.decompose()
    if part.sections is not None:
        there = {heading.get_text(" ", strip=True): heading for heading in article.find_all("h2")}
        for missing in set(part.sections) - set(there):
            raise BookError(f"the paper needs the section {missing!r} of {part.page}, which has: {', '.join(there)}")
        for heading in set(there) - set(part.sections):
            (there[heading].find_parent("section") or there[heading]).decompose()
    place = places[f"{part.page}.html"]
    for element in article.find_all(id=True):
        element["id"] = f"{place}-{element['id']}"
    for link in article.find_all("a", href=True):
        _relink(link, part.page, places)
    for picture in article.find_all("img", src=True):
        if not urlsplit(picture["src"]).scheme:
            picture["src"] = _target(part.page, picture["src"])[0]
    for picture in article.find_all("source"):  # drawn for other screens
        picture.decompose()
    article.name, article["id"], article["class"] = "section", place, _class(part.page)
    return article


def _class(page: str) -> str:
    return f"page-{page.rsplit('/', 1)[-1]}"


def _relink(link: Tag, page: str, places: dict[str, str]) -> None:
    """Lead a link to its place in the paper, leave one to another host, and make text of one to the rest of the book."""
    if urlsplit(link["href"]).scheme:
        return
    path, anchor = _target(page, link["href"])
    if path in places:
        link["href"] = f"#{places[path]}-{anchor}" if anchor else f"#{places[path]}"
    else:
        link.unwrap()


def _number_headings(soup: BeautifulSoup) -> None:
    """1, 1.1, 1.1.1 before every heading but that of the references."""
    counts = [0] * len(HEADINGS)
    for heading in soup.find_all(HEADINGS):
        level = HEADINGS.index(heading.name)
        if level == 0 and heading.find_parent("section", class_=_class(REFERENCES)):
            continue
        counts = [*counts[:level], counts[level] + 1, *[0] * (len(HEADINGS) - level - 1)]
        number = soup.new_tag("span", attrs={"class": "number"})
        number.string = ".".join(map(str, counts[: level + 1])) + "\u2002"
        heading.insert(0, number)


def _number_captions(soup: BeautifulSoup, html: Path, toc: Path) -> None:
    """Figures and tables in the order of the paper; references to those that are not in it say so."""
    numbers, counts = {}, {"figure": 0, "table": 0}
    for element in soup.find_all(["figure", "table"]):
        caption = element.find("span", class_="caption-number")
        if caption is None:
            continue
        counts[element.name] += 1
        said = f"{'Figure' if element.name == 'figure' else 'Table'} {counts[element.name]}"
        caption.string = f"{said}. "
        holder = element if element.get("id") else element.find_parent(id=True)
        numbers[f"#{holder['id']}"] = said
    for reference in soup.find_all("span", class_="std-numref"):
        link = reference.find_parent("a")
        if link is not None and link["href"] in numbers:
            reference.string = numbers[link["href"]]
        else:
            said = reference.get_text()
            reference.string = f"{said} of the book" if NUMBERED.match(said) else said
            if link is not None:  # in a part of a page that is left out
                link.unwrap()
    ids = {f"#{element['id']}" for element in soup.find_all(id=True)}
    for link in soup.find_all("a", href=lambda href: href and href.startswith("#")):
        if link["href"] not in ids:
            link.unwrap()


def _only_cited(soup: BeautifulSoup) -> None:
    """Leave out works that the paper does not cite."""
    linked = {link["href"] for link in soup.find_all("a", href=True)}
    for entry in soup.select("div.citation"):
        if f"#{entry.get('id')}" not in linked:
            entry.decompose()
