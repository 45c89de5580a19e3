"""CITATION.cff has what its schema, version 1.2.0, asks for, and what citing software needs."""

import datetime
import re
import tomllib

import yaml

import stilts_utils
from stilts_utils import ROOT

KEYS = {
    *(
        "cff-version",
        "message",
        "type",
        "title",
        "abstract",
        "authors",
        "version",
        "date-released",
        "license",
        "keywords",
    ),
    *("abstract", "repository-code", "url", "doi", "identifiers", "contact", "references", "preferred-citation"),
}
REQUIRED = {"cff-version", "message", "title", "authors"}
EXPECTED = REQUIRED | {"type", "abstract", "version", "date-released", "license", "keywords"}
TEXTS = ("message", "title", "abstract", "version", "license")


def test_it_has_the_keys_and_types_of_its_schema():
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert EXPECTED <= about.keys() <= KEYS
    assert about["cff-version"] == "1.2.0" and about["type"] == "software"
    assert all(isinstance(about[name], str) and about[name].strip() for name in TEXTS)
    assert about["authors"] and all(author.get("name") or author.get("family-names") for author in about["authors"])
    assert len(about["keywords"]) == len(set(about["keywords"])) and all(
        isinstance(word, str) for word in about["keywords"]
    )
    released = about["date-released"]
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", released) and datetime.date.fromisoformat(released)


def test_it_says_what_the_package_says():
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    assert about["version"] == stilts_utils.__version__
    assert about["license"] == project["license"]
    heading = (ROOT / "book/index.md").read_text(encoding="utf8").splitlines()[0]
    assert about["title"] == heading.removeprefix("# ")
