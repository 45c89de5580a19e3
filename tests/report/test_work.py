import dataclasses

from stilts_utils.report import work

pytest_plugins = ["tests.fake_study"]


def with_work(found, rows):
    return dataclasses.replace(found, tables=found.tables | {"work": rows})


def test_the_sentence_counts_operations_engines_and_the_clock(found):
    said = work.sentence(found)
    assert said.startswith(
        "The same work was done: 81 operations a request, hashes equal over all durations in 2 of 2 engines, and "
        "the clock agrees within "
    )
    assert "Subnormal" not in said


def test_other_work_and_subnormal_activations_are_said(found):
    rows = found.tables["work"].reset_index(drop=True)
    rows.loc[rows.engine == "fp32", "trace"] = [str(n) for n in range((rows.engine == "fp32").sum())]
    said = work.sentence(with_work(found, rows.assign(subnormal_activations=1)))
    assert said.startswith("Not all engines did the same work") and "in 1 of 2 engines" in said
    assert said.endswith(f"Subnormal activations: {len(rows)}.")


def test_results_without_traces_say_that_they_were_not_measured(found):
    none = with_work(found, found.tables["work"].iloc[:0])
    assert work.sentence(none).endswith("not measured.") and work.shown(none).said == work.NOT_MEASURED


def test_the_table_says_by_how_much_exits_differ(found):
    shown = work.shown(found).shown.set_index(["Engine", "Batch"])
    assert shown.loc[("exit", 1), "FLOP against 0 steps"] == "−25.0 % to +0.0 %"
    assert shown.loc[("fp32", 1), "Work"] == "equivalent"
