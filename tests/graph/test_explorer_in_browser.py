"""The explorer of a built book, used by keyboard and by mouse: of the smoke study's, or of the one in the folder $STILTS_BOOK.

`STILTS_BOOK=_build/html pytest tests/graph/test_explorer_in_browser.py` needs no run.
"""

import os
import re

import pytest

from stilts_utils import ROOT
from stilts_utils.report import explorer
from tests.graph.visits import WIDTHS

pytestmark = [pytest.mark.graph, pytest.mark.browser]
MOST = 3_000_000  # bytes of the page and its scripts


@pytest.fixture(scope="module")
def html(request):
    given = os.environ.get("STILTS_BOOK")
    return ROOT / given if given else request.getfixturevalue("smoke")[0] / "book" / "_build" / "html"


@pytest.fixture
def opened(browser, html):  # noqa: F811
    """`opened(width, **options)`: the page, which must make no error and ask for nothing outside."""
    contexts, troubles = [], []

    def make(width: int = WIDTHS[0], **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.extend([request.url] * bool(re.match("https?:", request.url))))
        page.goto((html / "book" / "explorer.html").as_uri())
        return page

    yield make
    for context in contexts:
        context.close()
    assert not troubles


def text(page, name: str) -> str:
    return page.locator(f"#explore-{name}").inner_text()


def charts(page):
    """The charts that have drawn something and are seen."""
    page.wait_for_function("document.querySelector('#explore-quality .bk-Figure')")
    return page.locator(".chart:visible .bk-Figure")


def study_with(page, condition: str) -> str:
    """The first study of which a JavaScript condition on `study` holds."""
    name = page.evaluate(f"(Object.entries(EXPLORER).find(([, study]) => {condition}) ?? [])[0]")
    assert name, f"no study of the book: {condition}"
    return name


def test_the_page_and_its_scripts_are_small(html):
    static = html / "_static"
    files = [
        html / "book" / "explorer.html",
        *(static / name for name in (*explorer.LIBRARY, explorer.DATA, explorer.PAGE)),
    ]
    assert sum(file.stat().st_size for file in files) < MOST


def test_every_study_shows_something_at_both_widths(opened):
    for width in WIDTHS:
        page = opened(width)
        studies = page.locator("#explore-study option").evaluate_all("all => all.map(one => one.value)")
        assert studies == page.evaluate("Object.keys(EXPLORER)")
        for study in studies:
            page.locator("#explore-study").select_option(study)
            title = page.evaluate("study => EXPLORER[study].title", study)
            assert text(page, "says").startswith(f"{title}. ") and page.locator("#explore-rows tbody tr").count() > 1
            for panel in ("latency", "exits", "advice"):
                note = text(page, f"{panel}-note")
                assert note or page.locator(f"#explore-{panel}").is_visible(), f"{study}: nothing on {panel}"
            assert not re.search(r"undefined|NaN|null", page.inner_text("main")), study
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{study} at {width} px"
        assert charts(page).count() >= 1


def test_it_answers_to_the_keyboard(opened):
    page = opened()
    page.locator("#explore-study").select_option(study_with(page, "!study.exits.note"))
    page.locator("#explore-target").focus()
    page.keyboard.press("Tab")  # to the languages
    assert page.evaluate("document.activeElement.id") == "explore-language"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    before = text(page, "says")
    page.keyboard.press("ArrowDown")
    assert text(page, "says") != before and page.locator("#explore-language").input_value() != "mean"
    slider = page.locator("#explore-threshold")
    slider.focus()
    assert text(page, "threshold-is") == "0.90" and "95 % intervals" in text(page, "exits-changes")
    page.keyboard.press("ArrowLeft")
    assert text(page, "threshold-is") == "0.89" == slider.get_attribute("aria-valuetext")
    assert text(page, "exits-says").startswith("Threshold 0.89. English: accuracy ")
    assert "have intervals at 0.7, 0.8, 0.9, 0.95" in text(page, "exits-changes")
    page.keyboard.press("End")
    assert text(page, "exits-says").startswith("Threshold none, full depth. ")
    last = page.evaluate("EXPLORER[document.querySelector('#explore-study').value].exits.layers")
    cells = page.locator("#explore-exits-rows tbody tr").first.locator("td").all_inner_texts()
    assert cells[2] == f"{last:.1f}"  # the mean exit layer of English rows


def test_it_answers_to_the_mouse(opened):
    page = opened()
    study = study_with(page, "study.advice.length")
    page.locator("#explore-study").select_option(study)
    bound = page.locator("#explore-bound")
    bound.scroll_into_view_if_needed()
    box = bound.bounding_box()
    page.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)  # the tightest
    assert text(page, "advice-says").startswith("Nothing answers within ")
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
    said, row = text(page, "advice-says"), page.evaluate("study => EXPLORER[study].advice[0].rows.at(-1)", study)
    assert f": {row[1]} after {row[2]} step" in said
    tie = (row[1], row[2]) != (row[4], row[5])
    assert ("A tie: " in said) == tie


def test_the_table_holds_the_numbers_of_the_data(opened):
    page = opened()
    page.locator("#explore-study").select_option(study_with(page, "true"))
    target, arm = (page.locator(f"#explore-{name}").input_value() for name in ("target", "arm"))
    study = page.locator("#explore-study").input_value()
    rows = page.evaluate("([s, t, a]) => EXPLORER[s].targets[t].arms[a].languages.mean", [study, target, arm])
    shown = page.locator("#explore-rows tbody tr").evaluate_all("all => all.map(one => one.cells[1].textContent)")
    assert shown == ["{:.1f} [{:.1f}, {:.1f}]".format(*row[:3]) for row in rows]


def test_charts_follow_the_theme(opened):
    page = opened()
    charts(page)
    ink = "Bokeh.documents.map(one => one.roots()[0].below[0].major_label_text_color).at(-1)"
    seen = set()
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(100)
        seen.add(page.evaluate(ink))
    assert len(seen) == 2 and charts(page).count() >= 1


def test_without_scripts_there_is_a_table(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("#tab-explorer tbody tr").count() > 1
    assert not page.locator("#explore-study").is_visible()
