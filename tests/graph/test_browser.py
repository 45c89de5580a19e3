"""The book of the smoke study in a real browser, without a network: every page, and what single pages are for."""

import pytest

from stilts_utils import ROOT
from stilts_utils.report import paper, pdf
from stilts_utils.report.answer_rows import QUESTIONS
from stilts_utils.report.chapters import STUDIES, TOC
from tests.graph import visits

pytestmark = [pytest.mark.graph, pytest.mark.browser]
AXE = ROOT / ".venv/axe-core/axe.min.js"
TERMS = ("equivalence", "duration", "subnormal")


def pages(html):
    return [*sorted((html / "book").rglob("*.html")), html / "search.html", html / "genindex.html"]


@pytest.fixture(scope="module")
def seen(browser, html):
    """What was found on every page; see `visits`."""
    return visits.visit(browser, pages(html), AXE.read_text(encoding="utf8") if AXE.is_file() else None)


def listed(found: dict[str, list[str]]) -> list[str]:
    return [f"{address.partition('/html/')[2]} {fault}" for address, faults in found.items() for fault in faults]


def test_every_page_opens_whole_wide_and_narrow_light_and_dark(seen):
    """No error, no request elsewhere or in vain, nothing beyond the page's edge, all images and formulas, no markup as text."""
    assert len(seen) > 12
    assert listed({address: one.faults for address, one in seen.items()}) == []


def test_every_link_and_anchor_leads_somewhere(seen):
    assert sum(len(one.links) for one in seen.values()) > 100
    assert visits.broken_links(seen) == []


def test_nothing_grave_keeps_anybody_from_reading(seen):
    if not AXE.is_file():
        pytest.skip("axe-core is not here: `sh tests/install_axe.sh` fetches it with npm")
    assert listed({address: one.grave for address, one in seen.items()}) == []


@pytest.mark.parametrize("term", TERMS)
def test_the_search_finds_a_term_on_a_page_of_prose_first(browser, html, term):
    page = browser.new_page()
    page.goto((html / "search.html").as_uri() + f"?q={term}")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    page.wait_for_function("document.querySelector('#search-results p')?.textContent.includes('found')", timeout=20_000)
    first = page.locator("#search-results li a").first.get_attribute("href")
    assert not {"run", "studies"} & set(first.partition("?")[0].split("/")), first
    page.close()


def test_the_run_has_its_chapter_and_its_notebooks(browser, html):
    page = browser.new_page()
    page.goto((html / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    listed = page.locator("nav.bd-links a[href^='run/']").evaluate_all(
        "links => links.map(a => a.getAttribute('href'))"
    )
    assert listed[0] == "run/chapter.html" and "run/5_findings.html" in listed
    page.goto((html / "book" / "run" / "chapter.html").as_uri())
    assert page.locator("article h1").inner_text().startswith("Your run")


def test_the_first_page_holds_the_answer_its_rows_its_figure_and_how_to_cite_it(browser, html):
    page = browser.new_page()
    page.goto((html / "book" / "index.html").as_uri())
    assert "Longer intermediate training" in page.locator(".answer").first.inner_text()
    assert page.locator("table.rows tbody tr").count() == len(QUESTIONS)
    assert page.locator("img[src*='forest']").count() >= 1
    assert page.locator(".cite pre").inner_text().startswith("@misc{")


def test_the_paper_fits_its_pages(browser, html, tmp_path):
    """Within the text block of A4, 166 mm wide; and printed, it has pages with numbers and places to go to."""
    toc, file = ROOT / "book" / STUDIES / TOC, html / pdf.PAGE
    file.write_text(paper.joined(html, toc, pdf.imprint(ROOT)), encoding="utf8")
    page = browser.new_page(viewport={"width": 627, "height": 900})
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    page.wait_for_function(visits.FORMULAS, timeout=30_000)
    wide = (
        "[...document.querySelectorAll('table, img, pre, svg, p')].filter(e => e.getBoundingClientRect().right > 628)"
    )
    assert page.evaluate(f"{wide}.map(e => [e.tagName, e.closest('[id]')?.id])") == []
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.getAttribute('src'))")
    assert broken == []
    printed = pdf.printed(file, tmp_path / "paper.pdf").read_bytes()
    assert printed.startswith(b"%PDF-") and printed.count(b"/Type /Page\n") > 8 and b"/Outlines" in printed
