import json

import pytest

from stilts_utils.analysis.claims import AGREES, CANNOT, DISAGREES
from stilts_utils.report import answer_rows, claims

ABOUT = {"title": "A study", "real": True, "encoder": "an encoder", "layers": 12, "seeds": 5, "steps": 2048}
ABOUT |= {"intermediate": ["mnli", "squad"]}
MEASURE = {"about": "after mnli", "value": 1.0, "low": 0.5, "high": 1.54, "seeds": 5, "claimed": 7.5, "gain": True}


def place(study):
    return f"studies/{study}.md"


@pytest.fixture
def store(tmp_path):
    """`store(name, about, first=(verdict, measures), ...)`: a report; the other claims were not measured."""

    def make(name, about, **given):
        rows = [
            {"claim": number, "verdict": verdict, "measures": measures}
            for number in range(1, 10)
            for verdict, measures in [given.get(f"claim_{number}", (CANNOT, []))]
        ]
        (tmp_path / name).mkdir()
        text = json.dumps({"about": ABOUT | about, "rows": [], "claims": rows})
        (tmp_path / name / answer_rows.FILE).write_text(text, encoding="utf8")
        return tmp_path / name

    return make


def test_real_data_lead_then_seeds_if_they_measure(store):
    stand_in = {"title": "Stand-ins", "real": False, "seeds": 9}
    reports = {
        "few": store("few", {"seeds": 2}, claim_1=(CANNOT, [MEASURE])),
        "many": store("many", {}, claim_1=(DISAGREES, [MEASURE | {"about": "after squad"}])),
        "stand_in": store("stand_in", stand_in, claim_1=(AGREES, [MEASURE]), claim_2=(AGREES, [MEASURE])),
    }
    made = claims.values(reports, place)
    assert made["claim_1"] == "after squad +1.0 [+0.5, +1.5] points ([A study](studies/many.md), 2,048 steps, 5 seeds)."
    assert made["claim_1_verdict"] == DISAGREES
    assert made["claim_2"].startswith("after mnli +1.0") and "[Stand-ins](studies/stand_in.md)" in made["claim_2"]
    assert (made["claim_3"], made["claim_3_verdict"]) == (claims.ABSENT, CANNOT)


def test_designs_are_compared_in_words_with_the_studies_on_real_data(store):
    reports = {
        "real": store("real", {}),
        "other": store("other", {"real": False, "layers": 3, "intermediate": ["temprel"]}),
    }
    made = claims.values(reports, place)
    assert made["claim_7"] == "Nothing to measure. Here: an encoder, 12 layers."
    assert made["claim_9"] == "Nothing to measure. Here: mnli and squad; all nine are registered."


def test_a_title_is_text(store):
    made = claims.values({"one": store("one", {"title": "[x](y) | z"}, claim_1=(CANNOT, [MEASURE]))}, place)
    assert "[x](y) | z" not in made["claim_1"]


def test_every_claim_has_text_and_verdict(store):
    made = claims.values({"one": store("one", {})}, place)
    assert set(made) == {f"claim_{n}{end}" for n in range(1, 10) for end in ("", "_verdict")}
    assert all(text.strip() for text in made.values())
