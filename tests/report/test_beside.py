import dataclasses
import json

import pytest

from stilts_utils.report import answer_rows, beside, compare
from tests.report.test_compare import ABOUT, case, side


def stored(folder, one):
    """The report of a study, as `numbers.write` leaves it."""
    cases = {name: list(map(answer_rows._stored, own)) for name, own in one.cases.items()}
    said = {"about": one.about, "rows": [dataclasses.asdict(row) for row in one.rows.values()], "cases": cases}
    (folder / one.name).mkdir(parents=True)
    (folder / one.name / answer_rows.FILE).write_text(json.dumps(said), encoding="utf8")
    return folder / one.name


@pytest.fixture
def reports(tmp_path):
    """A quick study, and a real one with another encoder on another processor."""
    quick = side("quick", ABOUT | {"title": "Quick <b>", "seeds": 2}, retrieval=[case(-15, -27, -4, "a")])
    about = ABOUT | {"title": "Real", "real": True, "layers": 4, "processor": "B | C"}
    real = side("real", about, retrieval=[case(-2, -3, -1, "b")], dense=[case(0.0, -0.01, 0.01)])
    return {one.name: stored(tmp_path, one) for one in (quick, real)}


def row(table, says):
    return next(line for line in table.replace("\N{NO-BREAK SPACE}", " ").splitlines() if line.startswith(f"| {says} "))


def test_without_a_run_the_quick_study_is_compared_with_the_others(reports):
    values = beside.values(compare.read("quick", reports["quick"]), reports, "{}.md".format, run=False)
    assert not values["beside_run"] and values["same_table"] == ""
    assert row(values["beside_table"], "Quality: retrieval") == (
        "| Quality: retrieval | −15.0 [−27.0, −4.0] | −2.0 [−3.0, −1.0] [A](real.md) | +13.0 [+2.0, +25.0] "
        "| not reproduced | source of rows, layers, seeds, setting |"
    )
    assert "−15.0 [−27.0,\N{NO-BREAK SPACE}−4.0]" in values["beside_table"]
    assert row(values["beside_table"], "Latency of a dense model").endswith("| – | cannot be told | – |")
    assert values["beside_counts"] == "Of 13 rows: 0 reproduced, 12 cannot be told and 1 not reproduced."
    assert values["beside_title"] == "Quick \\<b>"
    assert (
        "| – | [Quick \\<b>](quick.md) | generated tasks | 12 layers, bf16 | 48 steps | 2 | A CPU |"
        in values["beside_studies"]
    )
    assert "B &#124; C" in values["beside_studies"]


def test_a_run_is_compared_with_its_own_study_as_stored_too(reports):
    values = beside.values(compare.read("quick", reports["quick"]), reports, "{}.md".format, run=True)
    assert values["beside_run"] and "[Quick \\<b>](run/chapter.md)" in values["beside_studies"]
    assert row(values["same_table"], "Quality: retrieval").endswith("| +0.0 [−16.3, +16.3] | reproduced | – |")
    assert values["same_counts"].startswith("Of 13 rows: 1 reproduced, 12 cannot be told")


def test_a_study_alone_has_no_reference(reports):
    values = beside.values(compare.read("quick", reports["quick"]), {"quick": reports["quick"]}, str, run=False)
    assert values["beside_counts"] == "There is no other stored study to compare it with."
    assert len(values["beside_table"].splitlines()) == 2
