"""The book of the smoke study in a real browser, at the width of a desktop and of a phone, without a network."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from stilts_utils.report.answer_rows import QUESTIONS

pytestmark = [pytest.mark.graph, pytest.mark.browser]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "no Chromium: `make test` installs it on Debian as root; else install it with your package manager"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(smoke):
    return smoke[0] / "book" / "_build" / "html"


def pages(html):
    return sorted((html / "book").rglob("*.html"))


def test_every_page_opens_whole_at_both_widths(browser, html):
    assert len(pages(html)) > 10
    for width in WIDTHS:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page, troubles, fetched = context.new_page(), [], []
        page.on("pageerror", lambda error, troubles=troubles: troubles.append(str(error)))
        page.on("request", lambda request, fetched=fetched: fetched.append(request.url))
        for path in pages(html):
            page.goto(path.as_uri())
            where = f"{path.name} at {width} px"
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{where} scrolls sideways"
            )
            broken = page.evaluate(
                "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.getAttribute('src'))"
            )
            assert not broken, f"{where}: images missing: {broken}"
            assert "{{" not in page.inner_text("main"), f"{where} shows a number's name"
        assert not troubles
        assert not [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))]
        context.close()


def test_formulas_are_drawn(browser, html):
    page = browser.new_page()
    page.goto((html / "book" / "design.html").as_uri())
    page.wait_for_selector("mjx-container svg", timeout=20_000)


def test_the_search_finds_a_word_of_a_page(browser, html):
    page = browser.new_page()
    page.goto((html / "search.html").as_uri() + "?q=equivalence")
    page.wait_for_selector("#search-results li", timeout=20_000)


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


def test_the_first_page_holds_the_answer_its_rows_and_its_figure(browser, html):
    page = browser.new_page()
    page.goto((html / "book" / "index.html").as_uri())
    assert "Longer intermediate training" in page.locator(".answer").first.inner_text()
    assert page.locator("table.rows tbody tr").count() == len(QUESTIONS)
    assert page.locator("img[src*='forest']").count() == 1
