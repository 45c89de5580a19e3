"""Files that the rule of the book depends on, in addition to code: its pages, and the stored results that it shows."""

from stilts_utils import ROOT
from stilts_utils.tables import provenance

TOP = ("_config.yml", "_toc.yml", "CONTRIBUTING.md")  # a page includes the last
GENERATED = ("studies", "run")  # folders of `book/` that building it writes


def pages() -> list[str]:
    """Source files of the book, with the stored results."""
    book = [path for path in (ROOT / "book").rglob("*") if path.relative_to(ROOT / "book").parts[0] not in GENERATED]
    results = [path for name in provenance.stored() for path in (ROOT / "results" / name).rglob("*")]
    files = [*(ROOT / name for name in TOP), *book, *results]
    return sorted(str(path.relative_to(ROOT)) for path in files if path.is_file())
