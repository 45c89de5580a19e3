import dataclasses

from stilts_utils.report import sentences, tables_deployment

pytest_plugins = ["tests.fake_study"]


def test_the_summary_says_how_fast_and_how_faithful(found):
    assert sentences.engines_summary(found) == (
        "Throughput over that of fp32, with 95 % intervals: bf16 2.00 [2.00, 2.00] at batch 1 and 2.00 [2.00, 2.00] at "
        "batch 4. Lowest agreement with eager over languages, durations and seeds: fp32 100.0 %, bf16 96.0 %."
    )


def test_one_engine_alone_is_compared_with_the_reference_only(found):
    tables = {
        name: frame[frame.engine == "fp32"] for name, frame in found.tables.items() if name in ("timings", "fidelity")
    }
    alone = dataclasses.replace(found, tables=found.tables | tables)
    assert sentences.engines_summary(alone).startswith("Lowest agreement with eager")


def test_settings_whose_controls_failed_are_marked_and_not_in_the_summary(found):
    controls = found.controls.assign(usable=(found.controls.engine == "fp32") | (found.controls.batch_size == 1))
    some = dataclasses.replace(found, controls=controls)
    shown = tables_deployment.speed(some).shown.groupby(["Engine", "Batch"]).Controls.unique().str.join(" ")
    assert (shown["fp32", 4], shown["bf16", 4]) == ("passed", "failed")
    assert "bf16 2.00 [2.00, 2.00] at batch 1. " in sentences.engines_summary(some)
    of_first = dataclasses.replace(found, controls=controls.assign(usable=controls.batch_size == 4))
    of_first.controls.loc[of_first.controls.engine == "bf16", "usable"] = True
    assert "bf16 2.00 [2.00, 2.00] at batch 4. " in sentences.engines_summary(of_first)
    none = dataclasses.replace(found, controls=controls.assign(usable=False))
    assert sentences.engines_summary(none).startswith("Lowest agreement with eager")
