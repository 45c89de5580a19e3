"""How to cite this study: BibTeX from `CITATION.cff`."""

import re
from pathlib import Path

import yaml

CFF = "CITATION.cff"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SPECIAL = re.compile(r"[&%$#_]")
KEY = "stilts"


def authors(about: dict) -> list[str]:
    """The names in a CITATION.cff, as they are read aloud."""
    return [_name(author, "{given} {family}") for author in about["authors"]]


def _name(author: dict, form: str) -> str:
    """A person's name in a form, an institution's as it is."""
    if "name" in author:
        return author["name"]
    family = " ".join(author[part] for part in ("name-particle", "family-names", "name-suffix") if part in author)
    return form.format(given=author.get("given-names", ""), family=family).strip(" ,")


def bibtex(file: Path) -> str:
    """The entry that CITATION.cff describes, of whatever fields it has. Raises ValueError naming one that a citation needs."""
    about = yaml.safe_load(file.read_text(encoding="utf8"))
    if missing := [field for field in ("title", "authors", "date-released") if not about.get(field)]:
        raise ValueError(f"{file.name}: {missing[0]} is missing; a citation needs title, authors and date-released")
    year, month, _ = str(about["date-released"]).split("-")
    people = (
        f"{{{_plain(name)}}}" if "name" in author else _plain(name)
        for author in about["authors"]
        for name in [_name(author, "{family}, {given}")]
    )
    fields = {
        "title": f"{{{_plain(about['title'])}}}",
        "author": " and ".join(people),
        "year": year,
        "version": _plain(about.get("version", "")),
        "doi": about.get("doi", ""),
        "url": about.get("repository-code") or about.get("url", ""),
    }
    # In quotes: two braces in a row would look like a template that nobody filled.
    lines = [f'  {name} = "{value}"' for name, value in fields.items() if value]
    lines.insert(3, f"  month = {MONTHS[int(month) - 1]}")
    return "@misc{" + ",\n".join([f"{KEY}{year}", *lines]) + "\n}"


def _plain(text: object) -> str:
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))
