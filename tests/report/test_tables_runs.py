import dataclasses

import pytest

from stilts_utils.report import tables, tables_runs

pytest_plugins = ["tests.fake_study"]
MACHINE = {"cpu": "A CPU", "device": "A GPU"}


@pytest.fixture
def about(found):
    """Provenance with three runs, of which two share a phase and an arm."""
    keys = ("1_pretrained/baseline", "3_target/temprel-16-s1", "3_target/temprel-16-s2")
    made = {
        key: {"commit": f"c{n}", "date": "2026-01-31", "machine": MACHINE, "digest": f"d{n}"}
        for n, key in enumerate(keys)
    }
    return found.provenance | {"made": made}


def test_runs_say_where_they_were_made_and_what_they_are(about):
    made = tables_runs.runs(about)
    row = made.shown.iloc[1]
    assert row[["Arm or target", "Seeds", "Runs", "Commit, date", "Machine", "Identity"]].tolist() == (
        ["temprel", "1", 1, "c1, 2026-01-31", "A GPU, A CPU", "d1"]
    )
    assert made.data[["phase", "arm", "duration", "seed", "identity"]].iloc[2].tolist() == [
        "3_target",
        "temprel",
        "16",
        "2",
        "d2",
    ]


def test_every_phase_has_a_place_to_link_to(about):
    text = tables.markdown(tables_runs.runs(about).shown)
    for phase in (*tables_runs.PHASES, "5_findings"):
        assert text.count(f'<span id="run-%prefix%{phase}"></span>') == 1


def test_many_runs_are_a_row_per_phase_and_arm_and_more_a_row_per_phase(about):
    one = about["made"]["3_target/temprel-16-s1"]
    seeds = tables_runs.runs(about | {"made": {f"3_target/temprel-16-s{seed}": one for seed in range(21)}})
    assert len(seeds.shown) == 1 and seeds.shown.Runs[0] == 21 and seeds.shown.Identity[0] == "21, in the data"
    arms = tables_runs.runs(about | {"made": {f"3_target/arm{arm}-16-s1": one for arm in range(21)}})
    assert len(arms.shown) == 1 and len(arms.data) == 21


def test_results_without_records_of_their_runs_have_them_by_the_study(found):
    made = tables_runs.runs({name: value for name, value in found.provenance.items() if name != "made"})
    assert set(made.shown.Identity) == {"not recorded"}
    assert {"1_pretrained", "2_intermediate", "3_target", "4_inference"} == set(made.data.phase)


def test_a_value_in_the_table_of_runs_is_no_markup(about):
    about["made"]["1_pretrained/baseline"]["machine"] = {"cpu": "<b>`x`"}
    assert "<b>" not in tables.markdown(tables_runs.runs(about).shown).replace("\\<b>", "")


def test_coverage_counts_languages_and_names_those_that_the_source_lacks(found):
    lacking = found.tables["lacking"].assign(target="dtag", language="sw", reason="'mirror' lacks it")
    quality = found.quality[~((found.quality.target == "dtag") & (found.quality.language == "sw"))]
    made = tables_runs.coverage(dataclasses.replace(found, quality=quality, tables=found.tables | {"lacking": lacking}))
    row = made.shown.set_index("Task").loc["dtag"]
    assert row.tolist() == [2, 0, "Swahili (sw)"]


def test_provenance_is_a_row_per_group_and_all_values_are_data(found):
    made = tables_runs.provenance(found.provenance)
    assert "torch 2.0.0" in made.shown.set_index("What").Value["versions"]
    rows = made.data.set_index(["group", "name"]).value
    assert rows["versions", "torch"] == "2.0.0" and rows["timings", "cpu"] == "A fake CPU"
