import dataclasses
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils import ROOT
from stilts_utils.analysis import exit_effects, findings, latency
from stilts_utils.analysis.findings import MEAN
from stilts_utils.report import explorer
from stilts_utils.study.settings import PRETRAINED

pytest_plugins = ["tests.fake_study"]
MOST = 3_000_000  # bytes of the page and its scripts
PARTS = {"title", "real", "seeds", "arms", "languages", "targets", "latency", "exits", "advice"}


@pytest.fixture(scope="module", params=["fake", "untimed", "mini"])
def studied(request):
    """Findings and their part: of the fake study, timed and not, and of stored results."""
    if request.param == "mini":
        made = findings.analyse(ROOT / "results" / "mini")
    else:
        made = request.getfixturevalue({"fake": "found", "untimed": "untimed_found"}[request.param])
    return made, explorer.part(made)


def near(value: float) -> float | None:
    """A number as the page may show it."""
    return pytest.approx(value, rel=1e-5, abs=1e-12) if math.isfinite(value) else None


def test_scores_and_changes_are_those_of_the_findings(studied):
    made, part = studied
    assert part.keys() == PARTS and json.loads(json.dumps(part, allow_nan=False)) == part
    seen = 0
    for frame, name, first in ((made.quality, "score", 0), (made.changes, "difference", 3)):
        for row in frame.itertuples():
            arms = part["targets"][row.target]["arms"]
            for arm in arms.values() if row.intermediate == PRETRAINED else [arms[row.intermediate]]:
                shown = arm["languages"][row.language][arm["steps"].index(row.duration)]
                assert shown[first : first + 3] == [near(getattr(row, end)) for end in (name, "low", "high")]
                seen += 1
    shown = [
        row
        for target in part["targets"].values()
        for arm in target["arms"].values()
        for row in arm["languages"].values()
    ]
    assert seen == sum(2 * len(rows) - 1 for rows in shown)  # the change has no row at 0 steps


def test_verdicts_are_those_of_the_findings(studied):
    made, part = studied
    for row in made.verdicts.itertuples():
        arm = part["targets"][row.target]["arms"][row.intermediate]
        assert arm["verdicts"][arm["steps"].index(row.duration)] == row.verdict
    assert {name: one["learned"] for name, one in part["targets"].items()} == {
        name: made.learned.target(name) for name in made.study["targets"]
    }


def test_every_language_has_words(studied):
    _, part = studied
    used = {code for target in part["targets"].values() for arm in target["arms"].values() for code in arm["languages"]}
    assert used <= part["languages"].keys() and list(part["languages"])[0] == MEAN
    assert part["languages"]["en"] == "English (en)" and used >= {MEAN, "en"}


def test_latency_is_that_of_the_findings_and_of_every_language(studied):
    made, part = studied
    shown = part["latency"]
    if not made.timed:
        assert shown["note"] == "This study was not timed." and shown["engines"] == {}
        return
    margin = made.study["inference"]["margin"]
    by_language = latency.ratio_table(latency.language_effects(made.tables["timings"]), margin)
    rows = pd.concat([made.ratios.assign(language=MEAN), by_language]).query("verdict != 'control'")
    for row in rows.itertuples():
        setting = shown["engines"][row.engine][str(row.batch_size)]
        change, low, high, verdict = setting["languages"][row.language][setting["steps"].index(row.duration)]
        assert [change, low, high] == [near(100 * (one - 1)) for one in (row.ratio, row.low, row.high)]
        assert verdict == row.verdict
    for row in made.controls.itertuples():
        assert shown["engines"][row.engine][str(row.batch_size)]["fault"] == row.reason


def test_the_exit_at_a_threshold_is_that_of_the_frontier(studied):
    made, part = studied
    shown, clock = part["exits"], made.timed and not made.exits_unusable
    frame = exit_effects.frontier(made.exits, made.tables["exit_timings"] if clock else None)
    for row in frame[frame.kind == "threshold"].itertuples():
        rows = shown["groups"][row.group][shown["steps"].index(row.duration)]
        assert [near(row.at), near(row.depth), near(row.accuracy), near(row.ms)] in rows
    assert bool(shown["fault"]) != clock
    for row in made.exit_outcomes.query("rule == '0.9'").itertuples():
        ratio = row.ratio if clock else row.depth_ratio
        assert shown["fixed"]["0.9"][shown["steps"].index(row.duration)][0] == near(100 * (ratio - 1))


def test_advice_names_a_point_of_the_frontier_and_ties(studied):
    made, part = studied
    for target in part["advice"]:
        bounds = [row[0] for row in target["rows"]]
        assert bounds == sorted(bounds)
        for _, engine, steps, score, best, longer, highest, ahead, low, _, tied in target["rows"]:
            assert highest >= score and tied >= 0
            if (engine, steps) != (best, longer):  # a tie: its interval does not exclude 0
                assert ahead >= 0 and (low is None or low <= 0) and tied
    assert bool(part["advice"]) == made.timed


def test_a_study_without_early_exit_says_so(found):
    part = explorer.part(dataclasses.replace(found, exits=None))
    assert part["exits"] == {"note": "This study has no early exit."} and len(part["advice"]) == 1


def test_timings_that_cannot_be_used_give_no_advice_and_say_why(found):
    failed = found.controls.assign(usable=False, reason="disturbed")
    exits = found.exit_controls.assign(usable=False, reason="too few blocks in a process")
    part = explorer.part(dataclasses.replace(found, controls=failed, exit_controls=exits))
    assert part["advice"] == [] and part["exits"]["fault"] == "too few blocks in a process"
    assert {one["fault"] for sizes in part["latency"]["engines"].values() for one in sizes.values()} == {"disturbed"}


@given(st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_short_number_has_few_digits_and_what_is_no_number_is_none(value):
    short = explorer.short(value)
    assert (short is None) == (not math.isfinite(value))
    assert short is None or f"{short:.12g}" == f"{float(f'{value:.6g}'):.12g}"


@pytest.fixture(scope="module")
def reports(found, untimed_found, tmp_path_factory):
    """Folders with the parts of two studies, the one without timings first."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("untimed", "fake")}
    for name, made in (("untimed", untimed_found), ("fake", found)):
        (folders[name] / explorer.FILE).write_text(json.dumps(explorer.part(made)), encoding="utf8")
    return folders


def test_all_studies_are_one_script_with_real_data_and_timings_first(reports, tmp_path):
    text = explorer.write(reports, tmp_path).read_text(encoding="utf8")
    made = json.loads(re.fullmatch(r"const EXPLORER = (.*);\n", text)[1])
    assert list(made) == ["fake", "untimed"]
    assert made["fake"] == json.loads((reports["fake"] / explorer.FILE).read_text(encoding="utf8"))


def test_the_table_without_charts_has_a_row_for_every_target(reports):
    lines = explorer.fallback(reports["fake"]).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["mc_facts", "dtag", "retr_bitext"]
    assert "+20.0 [" in lines[2]


def test_the_page_loads_installed_scripts_of_less_than_3_mb(tmp_path):
    loaded = re.findall(
        r'<script src="\.\./_static/([^"]+)" defer>', (ROOT / "book/explorer.md").read_text(encoding="utf8")
    )
    paths = [Path(path) for path in explorer.scripts(ROOT, tmp_path)]
    assert loaded == [path.name for path in paths]
    sizes = {path.name: path.stat().st_size for path in paths if path.name != explorer.DATA}
    assert sum(sizes.values()) < MOST / 2 and sizes[explorer.PAGE] < 40_000  # the rest is for the data


def test_the_part_of_a_stored_study_is_small(studied):
    _, part = studied
    assert len(json.dumps(part, ensure_ascii=False, separators=(",", ":"))) < 200_000


def test_nothing_is_loaded_from_outside():
    for name in ("explorer.md", "explorer.js"):
        assert not re.search(r"https?://|//cdn", (ROOT / "book" / name).read_text(encoding="utf8"))
