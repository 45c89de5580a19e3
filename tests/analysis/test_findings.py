import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import findings, quality
from stilts_utils.analysis.bootstrap import MEAN, bootstrap_differences
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tables import files, jobs, schema
from stilts_utils.tables.files import RecordError

pytest_plugins = ["tests.fake_study"]


def pick(frame: pd.DataFrame, **values) -> pd.Series:
    """The one row of a frame with these values."""
    rows = frame[(frame[list(values)] == pd.Series(values)).all(axis=1)]
    assert len(rows) == 1, rows
    return rows.iloc[0]


def sign(row: pd.Series) -> int:
    """Side of 0 on which an interval lies; 0 if it covers 0."""
    return int(row.low > 0) - int(row.high < 0)


@pytest.mark.parametrize(
    ("target", "intermediate", "duration", "difference", "side"),
    [
        ("mc_facts", "temprel", 4, 5.0, 1),
        ("mc_facts", "temprel", 16, 20.0, 1),
        ("mc_facts", CONTROL, 4, 0.0, 0),
        ("mc_facts", CONTROL, 16, 10.0, 1),
        ("dtag", "temprel", 16, 0.0, 0),
        ("retr_bitext", "temprel", 4, -5.0, -1),
        ("retr_bitext", "temprel", 16, -20.0, -1),
    ],
)
def test_changes_against_duration_0(found, target, intermediate, duration, difference, side):
    row = found.mean_change(target, intermediate, duration)
    assert row.difference == pytest.approx(difference)
    assert sign(row) == side


def test_changes_hold_in_every_language(found):
    rows = found.changes.query("target == 'mc_facts' and intermediate == 'temprel' and duration == 16")
    assert rows.set_index("language").difference.round(6).to_dict() == dict.fromkeys(("de", "en", "sw", MEAN), 20.0)


def test_the_arm_is_compared_with_the_control_at_the_same_duration(found):
    means = found.over_control[found.over_control.language == MEAN]
    differences = means.set_index(["target", "intermediate", "duration"]).difference.round(6).to_dict()
    assert differences == {
        ("mc_facts", "temprel", 4): 5.0,
        ("mc_facts", "temprel", 16): 10.0,
        ("dtag", "temprel", 4): 0.0,
        ("dtag", "temprel", 16): 0.0,
    }
    assert sign(pick(means, target="mc_facts", duration=16)) == 1


def test_scores_are_means_over_seeds_of_the_targets_own_metric_at_the_last_layer(found):
    assert set(zip(found.quality.target, found.quality.metric, found.quality.layer, strict=True)) == {
        ("mc_facts", "accuracy", 3),
        ("dtag", "f1", 3),
        ("retr_bitext", "accuracy", 3),
    }
    row = pick(found.quality, target="dtag", intermediate=PRETRAINED, language="sw")
    assert row.score == pytest.approx((12 + 14) / 2 / 40 * 100)


def test_intervals_of_changes_are_simultaneous_over_the_targets(found):
    items = quality.primary_metric(found.tables["items"])
    expected = bootstrap_differences(items[items.layer == found.depth], level=1 - 0.05 / 3)
    pd.testing.assert_frame_equal(found.changes, expected)


def test_scores_of_seeds(found):
    row = {"target": "mc_facts", "intermediate": "temprel", "duration": 16}
    assert [pick(found.seeds, **row, seed=seed).score for seed in (1, 2)] == pytest.approx([60.0, 65.0])
    assert len(found.seeds) == 2 * (5 + 5 + 3)  # arms of the three targets, retrieval without control


def test_scores_of_seeds_are_those_of_the_items(found):
    items = quality.primary_metric(found.tables["items"])
    run = ["intermediate", "duration", "seed", "target"]
    sums = items[items.layer == found.depth].groupby([*run, "language"])[["numerator", "denominator"]].sum()
    expected = (100 * sums.numerator / sums.denominator).groupby(run).mean().rename("score").reset_index()
    pd.testing.assert_frame_equal(found.seeds, expected)


def test_retrieval_by_layer_is_that_of_retrieval_targets_only(found):
    assert set(found.layers.target) == {"retr_bitext"}
    at_start = found.layers[found.layers.duration == 0].set_index("layer").score
    assert at_start.to_dict() == pytest.approx({0: 22.5, 1: 42.5, 2: 77.5, 3: 62.5})
    longest = found.layer_changes[found.layer_changes.duration == 16].set_index("layer").difference
    assert longest.to_dict() == pytest.approx({0: 0.0, 1: 0.0, 2: 0.0, 3: -20.0})


def test_latency_ratios_are_those_put_in_and_the_stalled_block_is_dropped(found):
    assert found.ratios.groupby("condition").ratio.mean().to_dict() == pytest.approx(
        {"4": 1.0, "16": 1.004, "a/a": 1.0, "planted": 1.02}
    )
    blocks = found.effects.set_index(["replicate", "engine", "batch_size", "condition"]).blocks
    assert blocks[101, "fp32", 1, "4"] == 9
    assert blocks.drop(index=[(101, "fp32", 1)]).unique().tolist() == [10]


@pytest.mark.parametrize(("depth", "middle"), [(1, 1), (2, 1), (3, 2), (6, 4), (12, 7), (24, 14)])
def test_the_middle_layer_is_that_of_the_official_code_in_proportion(found, depth, middle):
    about = found.provenance | {"encoder": {"layers": depth}}
    assert dataclasses.replace(found, provenance=about).middle == middle


def test_the_study_is_the_one_that_was_run(found):
    assert (found.study["name"], found.depth, found.longest, found.intermediates) == ("fake", 3, 16, ["temprel"])


@pytest.mark.parametrize("name", sorted(schema.TABLES.keys() - {"jobs", *schema.OPTIONAL}))
def test_a_missing_table_is_named_with_the_next_command(variant, name):
    with pytest.raises(RecordError, match=f"table {name}: .*make study"):
        findings.analyse(variant(**{name: None}))


def test_a_missing_provenance_is_named_with_the_next_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"provenance.json below .*make study"):
        findings.analyse(tmp_path)


def test_notebooks_run_by_hand_leave_no_jobs_and_are_analysed(variant):
    found = findings.analyse(variant(jobs=None))
    assert found.tables["jobs"].empty
    assert list(found.tables["jobs"].columns) == list(jobs.read(variant()).columns)


def test_a_run_that_the_study_no_longer_has_is_not_read(variant, found):
    folder = variant()
    rows = found.tables["items"].query("intermediate == 'temprel' and duration == 4").assign(duration=8)
    files.write("items", rows, folder / "3_target" / "temprel-8-s1" / "tables")
    read = findings.analyse(folder)
    assert sorted(read.changes.duration.unique()) == [4, 16]
    pd.testing.assert_frame_equal(read.tables["items"], found.tables["items"])


def test_without_retrieval_and_control_there_are_no_layers_and_nothing_over_the_control(variant, found):
    items = found.tables["items"].query("target != 'retr_bitext' and intermediate != @CONTROL")
    targets = {name: found.study["targets"][name] for name in ("mc_facts", "dtag")}
    timing = found.study["inference"] | {"search": None}
    about = found.provenance | {"study": found.study | {"targets": targets, "inference": timing}}
    scores = found.tables["scores"].query("target != 'retr_bitext'")
    changed = {"items": items, "scores": scores, "searches": None, "lacking": found.tables["lacking"].iloc[:0]}
    about["gaps"] = [{"intermediate": CONTROL}]
    changed |= {name: frame[frame.intermediate != CONTROL] for name, frame in changed.items() if name == "scores"}
    shortcuts, training = (found.tables[name] for name in ("shortcuts", "training"))
    changed |= {"shortcuts": shortcuts[shortcuts.target != "retr_bitext"]}
    changed |= {"training": training[training.intermediate != CONTROL]}
    spent = found.tables["arms"]
    changed |= {"arms": spent[spent.intermediate != CONTROL]}
    plain = findings.analyse(variant(about, **changed))
    assert plain.layers.empty and plain.layer_changes.empty and plain.over_control.empty
    assert plain.mean_change("mc_facts", "temprel", 16).difference == pytest.approx(20.0)


def test_without_timings_quality_is_the_same_and_frames_of_timings_are_empty(untimed_found, found):
    assert found.timed and not untimed_found.timed
    for name in ("quality", "changes", "over_control", "seeds", "layers", "layer_changes", "layer_gaps", "premiums"):
        pd.testing.assert_frame_equal(getattr(untimed_found, name), getattr(found, name))
    for name in ("ratios", "controls", "effects", "exit_controls"):
        frame = getattr(untimed_found, name)
        assert frame.empty and list(frame.columns) == list(getattr(found, name).columns), name
    assert untimed_found.usable_timings.empty and untimed_found.balanced_timings.empty
    for name in schema.UNTIMED:
        assert untimed_found.tables[name].empty
        assert list(untimed_found.tables[name].columns) == list(schema.TABLES[name].columns)


def test_without_timings_early_exit_has_its_quality_and_no_ratio(untimed_found, found):
    columns = [name for name in found.exit_effects.columns if name not in ("ratio", "low", "high")]
    pd.testing.assert_frame_equal(untimed_found.exit_effects, found.exit_effects[columns])


@pytest.mark.parametrize("name", [name for name in schema.UNTIMED if name != "jobs"])
def test_a_timed_study_needs_every_table(variant, name):
    with pytest.raises(RecordError, match=f"table {name}: no {name}.parquet"):
        findings.analyse(variant(**{name: None}))


def test_timings_without_their_provenance_are_refused(variant, about):
    with pytest.raises(RecordError, match="there is no timed.json"):
        findings.analyse(variant({key: value for key, value in about.items() if key != "timed"}))


def test_layers_without_items_have_scores_and_no_interval(variant, found):
    items = found.tables["items"]
    kept = items[(items.target != "retr_bitext") | items.layer.isin([2, 3])]
    fewer = findings.analyse(variant(items=kept)).layers
    keys = ["intermediate", "duration", "target", "language", "layer", "metric"]
    pd.testing.assert_frame_equal(fewer[[*keys, "score"]], found.layers[[*keys, "score"]])
    assert fewer.low.isna().equals(~fewer.layer.isin([2, 3])) and found.layers.low.notna().all()
