import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.report import citation

ABOUT = {
    "title": "Training & cost_in 100 % of cases",
    "authors": [
        {"family-names": "Berg", "given-names": "Ada", "name-particle": "van den"},
        {"name": "The authors of the study"},
    ],
    "date-released": "2026-03-09",
}


def written(tmp_path, **more):
    file = tmp_path / citation.CFF
    file.write_text(yaml.safe_dump(ABOUT | more), encoding="utf8")
    return file


def test_a_title_people_and_a_date_make_an_entry(tmp_path):
    assert citation.bibtex(written(tmp_path)).splitlines() == [
        "@misc{stilts2026,",
        r'  title = "{Training \& cost\_in 100 \% of cases}",',
        '  author = "van den Berg, Ada and {The authors of the study}",',
        '  year = "2026",',
        "  month = mar",
        "}",
    ]


def test_other_fields_are_named_if_they_are_there(tmp_path):
    entry = citation.bibtex(written(tmp_path, version="1.2", doi="10.1/x_y", url="a", **{"repository-code": "b"}))
    for line in ('  version = "1.2",', '  doi = "10.1/x_y",', '  url = "b"'):
        assert line in entry.splitlines()


@pytest.mark.parametrize("field", ABOUT)
def test_what_a_citation_needs_is_named(tmp_path, field):
    with pytest.raises(ValueError, match=f"{field} is missing"):
        citation.bibtex(written(tmp_path, **{field: None}))


def test_names_are_read_aloud():
    assert citation.authors(ABOUT) == ["Ada van den Berg", "The authors of the study"]


def test_this_repository_can_be_cited():
    entry = citation.bibtex(ROOT / citation.CFF)
    assert entry.startswith("@misc{stilts20") and "{{" not in entry
