import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stilts_utils.report import tables_engines

pytest_plugins = ["tests.fake_study"]


def test_speed_is_that_of_duration_0_in_every_unit(found):
    shown = tables_engines.speed(found)
    assert shown.Engine.unique().tolist() == ["fp32", "bf16"]
    row = shown[(shown.Engine == "bf16") & (shown.Batch == 4) & (shown.Language == "de")].iloc[0]
    # 10 blocks from 40 ms upwards by 1 % each: the median is 41.8 ms, for 4 sentences of 20 tokens of 25 computed.
    assert row["Request, ms"] == "41.8" and row["Sentence, ms"] == "10.45" and row["Token, µs"] == "523"
    assert row["Sentences/s"] == "95.7" and row["Padding"] == "20 %"


def test_a_speedup_is_a_ratio_within_processes_with_a_t_interval():
    rows = []
    factors = [2.0, 2.2, 1.9]
    for replicate, factor in enumerate(factors):
        for engine, seconds in (("fp32", 0.1 * (1 + replicate)), ("fast", 0.1 * (1 + replicate) / factor)):
            for condition, wrong in (("0", 1), ("16", 7), ("a/a", 9)):
                parts = {"tokenise_s": 0.0, "forward_s": seconds * wrong, "decode_s": 0.0}
                keys = {
                    "engine": engine,
                    "batch_size": 1,
                    "language": "en",
                    "replicate": replicate,
                    "condition": condition,
                }
                rows.append({**keys, **parts, "sentences": 1, "tokens": 5, "padded": 5})
    found = tables_engines.speedups(pd.DataFrame(rows), "fp32")
    logs = np.log(factors)
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert found[["engine", "batch_size"]].to_numpy().tolist() == [["fast", 1]]
    assert found[["ratio", "low", "high"]].to_numpy()[0] == pytest.approx(np.exp([logs.mean(), low, high]))


def test_fidelity_shows_the_lowest_agreement_of_any_seed_and_duration(found):
    shown = tables_engines.fidelity(found).set_index(["Engine", "Language"])
    assert shown.loc[("bf16", "de"), "Agreement, lowest"] == "96.0 %"
    assert shown.loc[("bf16", "de"), "Agreement, mean"] == "98.0 %"
    assert shown.loc[("fp32", "en"), "Largest difference of a logit"] == "0"
    assert shown.loc[("bf16", "en"), "Largest difference of a logit"] == "0.25"


def test_an_engine_that_could_not_run_is_shown_with_the_reason(found):
    shown = tables_engines.engines(found).set_index("Engine")
    assert shown["Ready after (s)"].to_dict() == {"fp32": "2.0", "bf16": "4.0", "ort": "not run: not here"}


def test_the_summary_says_how_fast_and_how_faithful(found):
    assert tables_engines.summary(found) == (
        "Throughput over that of fp32, with 95 % intervals: bf16 2.00 [2.00, 2.00] at batch 1 and 2.00 [2.00, 2.00] at "
        "batch 4. Lowest agreement with eager over languages, durations and seeds: fp32 100.0 %, bf16 96.0 %."
    )


def test_settings_whose_controls_failed_are_marked_and_not_in_the_summary(found):
    controls = found.controls.assign(usable=(found.controls.engine == "fp32") | (found.controls.batch_size == 1))
    some = dataclasses.replace(found, controls=controls)
    shown = tables_engines.speed(some).groupby(["Engine", "Batch"]).Controls.unique().str.join(" ")
    assert (shown["fp32", 4], shown["bf16", 4]) == ("passed", "failed")
    assert "bf16 2.00 [2.00, 2.00] at batch 1. " in tables_engines.summary(some)
    of_first = dataclasses.replace(found, controls=controls.assign(usable=controls.batch_size == 4))
    of_first.controls.loc[of_first.controls.engine == "bf16", "usable"] = True
    assert "bf16 2.00 [2.00, 2.00] at batch 4. " in tables_engines.summary(of_first)
    none = dataclasses.replace(found, controls=controls.assign(usable=False))
    assert tables_engines.summary(none).startswith("Lowest agreement with eager")


def test_one_engine_alone_is_compared_with_the_reference_only(found):
    tables = {
        name: frame[frame.engine == "fp32"] for name, frame in found.tables.items() if name in ("timings", "fidelity")
    }
    alone = dataclasses.replace(found, tables=found.tables | tables)
    assert tables_engines.summary(alone).startswith("Lowest agreement with eager")
