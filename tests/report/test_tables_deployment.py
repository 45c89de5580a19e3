import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import exit_effects, frontier
from stilts_utils.report import exit_sentences, sentences, tables_deployment, verdicts

pytest_plugins = ["tests.fake_study"]


@pytest.fixture(scope="module")
def every(found):
    return {name: one.shown for name, one in tables_deployment.every(found).items()}


def test_early_exit_by_rule_and_duration(every):
    rows = every["early_exit"].set_index(["Threshold", "Steps"])
    row = rows.loc["its own", 16]
    assert row["Latency [95 %]"].startswith("−20.0 % [")
    assert row["Layer"] == "1.5" and row["Points lost, other languages"].startswith("+10.0 [")
    assert len(rows) == 6 and 0 not in rows.index.get_level_values(1)


def test_the_exit_by_language_at_the_longest_duration(found, every):
    rows = every["exit_languages"].set_index("Language")
    assert list(rows.index) == ["English (en)", "German (de)", "Swahili (sw)", "others"] or "English (en)" in rows.index
    assert rows["Mean exit layer"]["others"] == "1.50"
    data = tables_deployment.exit_languages(found).data.set_index(["language", "duration"])
    assert data.lost["en", 0] == 0 and data.ece["en", 0] == pytest.approx(5.0)
    assert data.early_wrong["de", 0] == data.harmed["de", 0] == pytest.approx(10.0)


def test_equal_quality_needs_full_depth_where_the_first_exit_is_worse(every):
    assert every["equal_quality"].Layers.tolist() == [3, 3, 3]
    assert every["equal_quality"]["Throughput over full depth [95 %]"].tolist() == ["1.00 [1.00, 1.00]"] * 3


def test_advice_is_the_shorter_duration_where_two_tie(every, found):
    rows = every["advice"].set_index("Target")
    assert set(rows.index) == {"mc_facts", "mc_facts, trained with exits"}
    points = frontier.engine_points(found.tables["timings"], found.tables["engine_scores"])
    kept = frontier.front(points)
    for point in points.itertuples():  # each is kept, or beaten by one that is
        better = kept[(kept.ms <= point.ms) & (kept.score >= point.score)]
        assert len(better)
    assert kept.ms.is_monotonic_increasing and kept.score.is_monotonic_increasing
    tied = rows[rows["Best by its mean"].str.endswith("a tie")]
    assert all(text.count("[") == 1 for text in tied["Best minus advised [95 %]"])


def test_durations_of_an_engine_are_equally_fast_to_the_advice(found):
    timings = found.tables["timings"]
    slower = timings.assign(forward_s=timings.forward_s * (1 + 0.001 * timings.duration))
    points = frontier.engine_points(slower, found.tables["engine_scores"])
    assert (points.groupby("engine").ms.nunique() == 1).all() and points.ms.nunique() == points.engine.nunique()


def test_unusable_timings_give_no_advice_no_tax_and_no_verdict(found):
    failed = dataclasses.replace(found, controls=found.controls.assign(usable=False))
    made = tables_deployment.every(failed)
    assert made["language_tax"].said == tables_deployment.ABSENT.said
    assert set(made["advice"].shown.Target) == {"mc_facts, trained with exits"}
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
    row = every["engine_quality"].set_index(["Engine", "Steps"]).loc[("bf16", 16)]
    assert row[["Points gained, mean", "Fewest", "Most"]].tolist() == ["−2.0"] * 3
    rows = every["searches"].set_index(["Steps", "Language"])
    assert rows.loc[(16, "German (de)")].tolist() == ["3.00", "0.950", "450", "200", "no: no width sufficed"]
    assert rows.loc[(4, "German (de)")].tolist() == ["2.00", "0.970", "450", "100", "no: disturbed"]
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
    assert tables_deployment.exit_controls(both.exit_controls).shown.Usable.tolist() == ["yes", "no: disturbed"]


def test_languages_have_verdicts_and_a_setting_that_failed_has_none(found, every):
    assert len(every["latency_languages"]) == 2 * 2 * 2
    assert set(every["latency_languages"].Verdict) == {"equivalent"}
    failed = dataclasses.replace(found, controls=found.controls.assign(usable=found.controls.engine == "fp32"))
    rows = tables_deployment.latency_languages(failed).shown
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
    assert all(made[name].said and made[name].shown.empty for name in left_out)
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
    shown = tables_deployment.scenarios(rows).shown.set_index(["Engine", "Metric"])
    assert shown.Value[:, "queries per second"].tolist() == ["≥ 80.0", "79.0"]
    assert set(shown.Usable["fp32"]) == {"no: decisions differ under load"} and set(shown.Usable["ort_int8"]) == {"yes"}
