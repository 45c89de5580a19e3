import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import exit_effects, frontier
from stilts_utils.report import exit_sentences, sentences, tables_deployment, verdicts

pytest_plugins = ["tests.fake_study"]


@pytest.fixture(scope="module")
def every(found):
    return tables_deployment.every(found)


def test_early_exit_by_rule_and_duration(every):
    rows = every["early_exit"].set_index(["Threshold", "Steps"])
    row = rows.loc["its own", 16]
    assert row["Latency, % [95 %]"].startswith("−20.0 [")
    assert row["By the clock, % [95 %]"].startswith("−20.0 [") and row["Usable"] == "yes"
    assert row["Layer"] == "1.5" and row["Points lost elsewhere [95 %]"].startswith("+10.0 [")
    assert len(rows) == 9


def test_the_exit_by_language(every):
    rows = every["exit_languages"].set_index(["Language", "Steps"])
    assert rows.loc[("en", 0), "Points lost"] == "+0.0" and rows.loc[("en", 0), "Calibration error, points"] == "5.0"
    assert (
        rows.loc[("de", 0), "Early and wrong"]
        == rows.loc[("de", 0), "Early, wrong, and right at full depth"]
        == "10.0 %"
    )
    assert rows.loc[("others", 16), "Mean exit layer"] == "1.50"


def test_equal_quality_needs_full_depth_where_the_first_exit_is_worse(every):
    assert every["equal_quality"].Layers.tolist() == [3, 3, 3]
    assert every["equal_quality"]["Throughput over full depth [95 %]"].tolist() == ["1.00 [1.00, 1.00]"] * 3


def test_advice_is_the_frontier_of_each_target(every, found):
    rows = every["advice"]
    assert rows.groupby("Target").Deployment.agg(lambda names: set(names) <= {"bf16", "fp32"}).to_dict() == {
        "mc_facts": True,
        "mc_facts, trained with exits": False,
    }
    points = frontier.engine_points(found.tables["timings"], found.tables["engine_scores"])
    kept = frontier.front(points)
    for point in points.itertuples():  # each is kept, or beaten by one that is
        better = kept[(kept.ms <= point.ms) & (kept.score >= point.score)]
        assert len(better)
    assert kept.ms.is_monotonic_increasing and kept.score.is_monotonic_increasing


def test_durations_of_an_engine_are_equally_fast_to_the_advice(found):
    timings = found.tables["timings"]
    slower = timings.assign(forward_s=timings.forward_s * (1 + 0.001 * timings.duration))
    points = frontier.engine_points(slower, found.tables["engine_scores"])
    assert (points.groupby("engine").ms.nunique() == 1).all() and points.ms.nunique() == points.engine.nunique()


def test_unusable_timings_give_no_advice_no_tax_and_no_verdict(found):
    failed = dataclasses.replace(found, controls=found.controls.assign(usable=False))
    made = tables_deployment.every(failed)
    assert made["language_tax"].equals(tables_deployment.ABSENT)
    assert set(made["advice"].Target) == {"mc_facts, trained with exits"}
    assert verdicts.verdicts(failed).set_index("No.").loc["H9", ["Verdict", "Because"]].tolist() == [
        "not measured",
        "the timings of fp32 are unusable",
    ]
    assert failed.balanced_timings.empty and len(found.balanced_timings) == len(found.tables["timings"])


def test_fixed_depths_are_weighted_by_languages(found):
    rows = exit_effects.frontier(found.exits, found.tables["exit_timings"])
    points = frontier.exit_points(rows, {exit_effects.ENGLISH: 1, exit_effects.OTHER: 2}).set_index(
        ["engine", "duration"]
    )
    assert points.score["first 3 layers", 0] == 100 and points.ms["first 1 layers", 0] == pytest.approx(3.0)
    assert points.score["first 1 layers", 0] == pytest.approx(100 * (20 / 40 + 2 * 16 / 40) / 3)


def test_engines_search_and_scenarios(every):
    assert every["engine_quality"].set_index(["Engine", "Steps"]).loc[("bf16", 16)].tolist() == ["−2.0", "−2.0"]
    rows = every["searches"].set_index(["Steps", "Language"])
    assert rows.loc[(16, "de")].tolist() == ["10000", "30000", "0.950 (no width sufficed)", "450 / 200", "yes"]
    assert rows.loc[(4, "de")].tolist() == ["10000", "20000", "0.970", "450 / 100", "no: disturbed"]
    usable = every["scenarios"].set_index(["Engine", "Steps", "Scenario"]).Usable.to_dict()
    assert usable == {
        ("fp32", 0, "SingleStream"): "yes",
        ("fp32", 0, "Accuracy"): "yes",
        ("fp32", 16, "Server"): "no: disturbed; no accuracy run",
        ("bf16", 0, "SingleStream"): "no: no accuracy run",
    }


def test_a_control_that_fails_in_a_batch_leaves_single_requests_usable(found):
    single = found.exit_controls
    failed = single.assign(batch_size=4, usable=False, reason="disturbed")
    both = dataclasses.replace(found, exit_controls=pd.concat([single, failed]))
    assert not both.exits_unusable
    assert tables_deployment.exit_controls(both.exit_controls).Usable.tolist() == ["yes", "no: disturbed"]


def test_languages_have_verdicts_and_a_setting_that_failed_has_none(found, every):
    assert len(every["latency_languages"]) == 2 * 2 * 2 * 2
    assert set(every["latency_languages"].Verdict) == {"equivalent"}
    failed = dataclasses.replace(found, controls=found.controls.assign(usable=found.controls.engine == "fp32"))
    rows = tables_deployment.latency_languages(failed)
    assert rows.groupby("Engine").Verdict.unique().str.join(" ").to_dict() == {
        "bf16": "not measured",
        "fp32": "equivalent",
    }


def test_what_a_study_leaves_out_is_said(variant, about):
    from stilts_utils.analysis import findings

    names = ("exits", "exit_timings", "engine_scores", "scenarios", "searches", "work")
    about["study"]["inference"] |= {"exits": None, "search": None}
    plain = findings.analyse(variant(about, **dict.fromkeys(names)))
    made = tables_deployment.every(plain)
    left_out = [
        "early_exit",
        "exit_controls",
        "scenarios",
        "work",
        "searches",
        "engine_quality",
        "exit_languages",
        "equal_quality",
        "advice",
    ]
    assert all(made[name].equals(tables_deployment.ABSENT) for name in left_out)
    assert "not measured" in exit_sentences.answer_exits(plain) and "not measured" in sentences.search(plain)
    rows = verdicts.verdicts(plain).set_index("No.")
    assert rows.loc[["H6", "H7", "H8"], "Because"].tolist() == ["no part of this study"] * 3


def test_a_server_as_fast_as_offline_is_a_lower_end_and_other_decisions_under_load_are_unusable(found):
    row = found.tables["scenarios"].iloc[0]
    rows = pd.DataFrame(
        row.to_dict() | {"engine": engine, "scenario": scenario, "metric": metric, "value": value}
        for engine, agreed in (("fp32", 0.9), ("ort_int8", 0.9))
        for scenario, metric, value in (
            ("Offline", "samples_per_second", 80.0),
            ("Server", "queries_per_second", 80.0 if engine == "fp32" else 79.0),
            ("Accuracy", "agreement", agreed),
        )
    )
    shown = tables_deployment.scenarios(rows).set_index(["Engine", "Metric"])
    assert shown.Value[:, "queries per second"].tolist() == ["≥ 80", "79"]
    assert set(shown.Usable["fp32"]) == {"no: decisions differ under load"} and set(shown.Usable["ort_int8"]) == {"yes"}
