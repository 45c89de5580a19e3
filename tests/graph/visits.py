"""What a browser finds on the pages of a book: each page is opened once at every width and looked at in both themes."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
OWN = ("file:", "data:", "blob:", "about:")
GRAVE = ("serious", "critical")
CALM = "*, *::before, *::after { transition: none !important; animation: none !important; }"
THEME = "theme => { document.documentElement.dataset.theme = theme; document.documentElement.dataset.mode = theme; }"
LOOK = """() => {
  const main = document.querySelector('main').cloneNode(true);
  main.querySelectorAll('code, pre, script, style').forEach(element => element.remove());
  return {
    beyond: document.documentElement.scrollWidth - window.innerWidth,
    images: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.getAttribute('src')),
    raw: main.textContent.match(/\\{\\{|\\{%|```|:::|\\{numref\\}|\\bnan\\b/g) || [],
  };
}"""
PLACES = """() => ({
  links: [...document.querySelectorAll('a[href]')].map(a => a.href),
  ids: [...document.querySelectorAll('[id]')].map(e => e.id),
})"""
FORMULAS = "document.querySelectorAll('.math').length <= document.querySelectorAll('.math mjx-container svg').length"
WRONG = "[...document.querySelectorAll('[data-mjx-error]')].map(e => e.getAttribute('data-mjx-error'))"
AXE = """async rules => {
  const asked = rules ? {runOnly: {type: 'rule', values: rules}} : {};
  const found = await axe.run(document, {...asked, resultTypes: ['violations'], preload: false});
  return found.violations.map(one => [one.impact, one.id, one.nodes.map(node => node.target.join(' '))]);
}"""


@dataclass
class Seen:
    """Of one page: `faults`, each with where it was seen; `links`, addresses that it leads to; `ids`, its anchors."""

    faults: list[str] = field(default_factory=list)
    grave: list[str] = field(default_factory=list)  # by axe
    links: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)


def visit(browser: Browser, pages: list[Path], axe: str | None) -> dict[str, Seen]:
    """Address of a page -> what was seen of it. `axe`: the source of axe-core, None to do without."""
    seen = {path.as_uri(): Seen() for path in pages}
    for width in WIDTHS:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page, heard = context.new_page(), []
        _listen(page, heard)
        for address, one in seen.items():
            heard.clear()
            _open(page, address, width, one, axe)
            one.faults += [f"{said} at {width} px" for said in heard]
        context.close()
    return seen


def _listen(page: Page, heard: list[str]) -> None:
    def asked(request):
        if not request.url.startswith(OWN):
            heard.append(f"fetched {request.url}")

    page.on("pageerror", lambda error: heard.append(f"error {error}"))
    page.on("console", lambda message: heard.append(f"console {message.text}") if message.type == "error" else None)
    page.on("requestfailed", lambda request: heard.append(f"failed {request.url}"))
    page.on("request", asked)


def _open(page: Page, address: str, width: int, seen: Seen, axe: str | None) -> None:
    page.goto(address)
    if page.locator(".math").count():
        page.wait_for_function(FORMULAS, timeout=30_000)
        seen.faults += [f"formula: {wrong}" for wrong in page.evaluate(WRONG)]
    page.add_style_tag(content=CALM)  # colours are looked at when they have changed
    if axe:
        page.evaluate(axe)
    for theme in THEMES:
        where = f"at {width} px, {theme}"
        page.evaluate(THEME, theme)
        look = page.evaluate(LOOK)
        if look["beyond"] > 0:
            seen.faults.append(f"scrolls sideways by {look['beyond']} px {where}")
        seen.faults += [f"image missing {where}: {image}" for image in look["images"]]
        seen.faults += [f"raw text {where}: {raw}" for raw in look["raw"]]
        if axe:
            rules = _rules(width, theme)
            found = page.evaluate(AXE, rules) if rules != [] else []
            seen.grave += [f"{rule} {where}: {nodes[:4]} ({len(nodes)})" for how, rule, nodes in found if how in GRAVE]
    if width == WIDTHS[0]:
        places = page.evaluate(PLACES)
        seen.links, seen.ids = set(places["links"]), set(places["ids"])


def _rules(width: int, theme: str) -> list[str] | None:
    """The rules that are asked: all (None) once, and again those that another width or theme can break."""
    if width != WIDTHS[0]:
        return ["scrollable-region-focusable"] if theme == THEMES[0] else []
    return None if theme == THEMES[0] else ["color-contrast"]


def broken_links(seen: dict[str, Seen]) -> list[str]:
    """Links to files that are not there, and to anchors that a page seen does not have."""
    broken = []
    for address, one in seen.items():
        for link in sorted(one.links):
            target, anchor = urldefrag(link)
            if not target.startswith("file:"):
                continue
            target = target.partition("?")[0]
            there = Path(unquote(urlsplit(target).path)).exists()
            if not there or (anchor and target in seen and unquote(anchor) not in seen[target].ids):
                broken.append(f"{address.rpartition('/')[2]} -> {link}")
    return broken
