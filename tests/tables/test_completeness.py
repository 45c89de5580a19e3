"""Tables with rows taken out, changed or added are refused, with the next command."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.analysis import findings, latency
from stilts_utils.report import numbers as report
from stilts_utils.tables import completeness, files, provenance, schema
from stilts_utils.tables.errors import RecordError
from tests import fake_study

pytest_plugins = ["tests.fake_study"]

THEN = "`make study STUDY=fake` runs what is missing"


def taken_out(name: str, query: str) -> pd.DataFrame:
    frame = fake_study.tables()[name]
    left = frame.drop(index=frame.query(query).index)
    assert len(left) < len(frame)
    return left


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("timings", "replicate == 202", "lacks rows of replicate 202, engine bf16, batch_size 1, condition 0"),
        ("timings", "engine == 'bf16' and batch_size == 4", "lacks rows of replicate 101, engine bf16, batch_size 4"),
        ("timings", "condition == 'planted'", "lacks rows of .*condition planted"),
        ("timings", "condition == '16'", "lacks rows of .*condition 16, duration 16"),
        ("timings", "language == 'de'", "lacks rows of .*language de"),
        ("timings", "block == 9", "has not the blocks that were timed of replicate 101"),
        (
            "timings",
            "block == 3 and replicate == 101",
            "has not the blocks that were timed of replicate 101, engine bf16",
        ),
        (
            "timings",
            "block == 3 and replicate == 101 and language == 'de'",
            "has not as many rows as elsewhere of replicate 101",
        ),
        ("noise", "replicate == 201", "lacks rows of replicate 201, engine bf16"),
        ("noise", "engine == 'bf16'", "lacks rows of replicate 101, engine bf16"),
        ("noise", "replicate >= 0", "lacks rows of replicate 101"),
        ("outputs", "condition == 'a/a'", "lacks rows of .*condition a/a"),
        ("outputs", "replicate == 102", "lacks rows of replicate 102"),
        ("engines", "engine == 'ort'", "lacks rows of replicate 101, engine ort"),
        ("engines", "engine == 'bf16'", "lacks rows of replicate 101, engine bf16"),
        ("fidelity", "language == 'de' and duration == 16", "lacks rows of engine bf16, duration 16, language de"),
        ("fidelity", "seed == 2", "lacks rows of .*seed 2"),
        ("work", "duration == 16 and seed == 1", "lacks rows of engine bf16, duration 16"),
        ("work", "rule == 'calibrated' and language == 'de'", "lacks rows of engine exit, duration 0, language de"),
        ("engine_scores", "duration == 0", "lacks rows of engine bf16, duration 0"),
        ("checkpoints", "duration == 16", "lacks rows of intermediate temprel, duration 16, seed 1"),
        ("checkpoints", "seed == 2", "lacks rows of intermediate temprel, duration 16, seed 2 and 1 more like it"),
        ("exit_timings", "replicate == 202", "lacks rows of replicate 202, rule calibrated"),
        ("exit_timings", "rule == 'layer-1' and duration == 4", "lacks rows of replicate 101, rule layer-1"),
        (
            "arms",
            "target == 'none' and duration == 4",
            "lacks rows of intermediate temprel, duration 4, seed 1, target none",
        ),
        (
            "arms",
            "target == 'dtag' and seed == 2",
            "lacks rows of intermediate target, duration 16, seed 2, target dtag",
        ),
        ("validation", "duration == 16", "lacks rows of intermediate temprel, duration 16, seed 1, task temprel"),
        ("validation", "seed == 2", "lacks rows of .*seed 2"),
        ("exit_timings", "block == 2 and language == 'de'", "has not as many rows as elsewhere of"),
        ("exit_timings", "block >= 0", "lacks rows of replicate 101"),
        ("searches", "duration == 4", "lacks rows of intermediate temprel, duration 4"),
        ("scores", "score >= 0", "lacks rows of intermediate none, duration 0"),
        ("scores", "target == 'dtag'", "lacks rows of .*target dtag"),
        ("scores", "seed == 2", "lacks rows of .*seed 2"),
        ("scores", "language == 'sw' and target == 'mc_facts'", "lacks rows of .*target mc_facts, language sw"),
        ("scores", "duration == 4 and intermediate == 'temprel'", "lacks rows of intermediate temprel, duration 4"),
        ("scores", "intermediate == 'target'", "lacks rows of intermediate target, duration 16"),
        ("scores", "layer == 1", "lacks rows of .*layer 1"),
        ("items", "target == 'dtag'", "lacks rows of target dtag, layer 3"),
        ("items", "item == 'de-07' and seed == 1 and duration == 4", "has not as many rows as the score counts of"),
        ("items", "seed == 1 and duration == 4 and target == 'dtag'", "lacks rows of intermediate target, duration 4"),
        ("items", "target == 'retr_bitext' and layer == 2", "lacks rows of target retr_bitext, layer 2"),
        ("exits", "language == 'sw'", "lacks rows of .*language sw"),
        ("exits", "split == 'calibration'", "lacks rows of .*split calibration"),
        ("exits", "item == '07' and seed == 1", "has not as many rows as elsewhere of"),
        ("exits", "layer > 0", "lacks rows of"),
        ("training", "target == 'dtag' and seed == 1", "lacks rows of .*target dtag"),
        ("training", "target == 'none'", "lacks rows of .*target none"),
        ("training", "step == 3", "lacks steps of"),
        ("fertility", "language == 'de'", "lacks rows of language de"),
        ("fertility", "language == 'en'", "lacks rows of language en"),
        ("shortcuts", "target == 'dtag'", "lacks rows of target dtag, baseline majority or chance"),
        (
            "shortcuts",
            "baseline == 'majority' and target == 'mc_facts'",
            "lacks rows of target mc_facts, baseline majority",
        ),
        ("shortcuts", "language == 'sw' and target == 'mc_facts'", "lacks rows of target mc_facts, .*language sw"),
        ("lacking", "target == 'retr_bitext'", "lacks rows of .*target retr_bitext, language en"),
    ],
)
def test_rows_that_are_taken_out_are_missed(variant, name, query, said):
    with pytest.raises(RecordError, match=rf"variant: table \w+ {said}.*: {THEN}"):
        findings.analyse(variant(**{name: taken_out(name, query)}))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("scores", {"target": "unknown"}, "rows of .*target unknown"),
        ("scores", {"language": "fr"}, "rows of .*language fr"),
        ("scores", {"duration": 8, "intermediate": "temprel"}, "rows of intermediate temprel, duration 8"),
        ("timings", {"replicate": 4}, "rows of replicate 4"),
        ("validation", {"task": "mnli"}, "rows of .*task mnli"),
        ("validation", {"metric": "f1"}, "rows of .*metric f1"),
        ("timings", {"condition": "8", "duration": 8}, "rows of .*condition 8"),
        ("noise", {"replicate": 7}, "rows of replicate 7"),
        ("shortcuts", {"target": "xnli"}, "rows of target xnli"),
        ("lacking", {"target": "xnli"}, "rows of target xnli"),
        ("scenarios", {"engine": "<b>"}, "rows of engine <b>"),
        ("fertility", {"language": "xx"}, "rows of language xx"),
    ],
)
def test_rows_that_the_study_does_not_ask_for_are_refused(variant, name, changes, said):
    frame = fake_study.tables()[name]
    frame = pd.concat([frame, frame.iloc[[0]].assign(**changes)])
    with pytest.raises(RecordError, match=f"table {name} has, and the study does not ask for, {said}"):
        findings.analyse(variant(**{name: frame}))


def test_durations_that_differ_from_the_study_are_refused(variant, about):
    about["study"]["durations"] = about["study"]["intermediate"]["temprel"]["durations"] = [0, 4, 32]
    with pytest.raises(RecordError, match="table scores lacks rows of intermediate target, duration 32"):
        findings.analyse(variant(about))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "column"), [("timings", "forward_s"), ("exit_timings", "seconds"), ("training", "loss")]
)
def test_infinite_values_are_refused(tmp_path, name, column, value):
    frame = fake_study.tables()[name]
    frame.loc[0, column] = value
    with pytest.raises(RecordError, match=f"table {name}: column {column} is infinite, allowed: finite numbers"):
        files.write(name, frame, tmp_path)


def test_stalls_that_the_timings_do_not_show_are_refused(variant):
    noise = fake_study.tables()["noise"]
    with pytest.raises(
        RecordError, match="table noise: stalled is 10 of 10 blocks in replicate 101, .*and 0 by the timings"
    ):
        findings.analyse(variant(noise=noise.assign(stalled=noise.blocks)))


def test_timings_whose_blocks_all_stalled_give_no_verdict(variant, tmp_path):
    tables = fake_study.tables()
    timings, names = tables["timings"], list(tables["timings"].condition.unique())
    slow = timings.condition == timings.block.map(lambda block: names[block % len(names)])
    timings = timings.assign(forward_s=timings.forward_s.where(~slow, 10 * timings.forward_s))
    counts = latency.stalled_blocks(timings)[[*latency.PROCESS, "stalled"]]
    assert (counts.stalled == 10).all()
    noise = tables["noise"].drop(columns="stalled").merge(counts, on=latency.PROCESS)
    found = findings.analyse(variant(timings=timings, noise=noise))
    said = report.write(found, tmp_path / "report")
    assert "Latency was not measured" in said["answer_sentence"]
    assert set(found.controls.usable) == {False}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": {"unknown": {"steps": [5]}}}, "target is 'unknown', allowed: .*mc_facts"),
        ({"inference": {"target": "xnli"}}, "inference times target 'xnli', allowed: mc_facts, dtag"),
    ],
)
def test_a_target_that_nobody_knows_is_refused(variant, about, change, said):
    for key, value in change.items():
        about["study"][key] = {**about["study"][key], **value}
    with pytest.raises(RecordError, match=said):
        findings.analyse(variant(about))


def test_a_gap_that_the_provenance_names_is_allowed_and_no_other(variant, about):
    def without(query: str) -> dict:
        return {name: taken_out(name, query) for name in ("scores", "items", "training", "arms")}

    about["gaps"] = [{"intermediate": "target"}]
    assert findings.analyse(variant(about, **without("intermediate == 'target'"))).over_control.empty
    with pytest.raises(RecordError, match="table scores lacks rows of intermediate none, duration 0, seed 2"):
        findings.analyse(variant(about, **without("intermediate == 'target' or seed == 2")))


def test_an_unfinished_study_says_what_runs_next_and_its_tables_can_be_read_alone(variant):
    folder = variant(scores=taken_out("scores", "seed == 2"))
    with pytest.raises(RecordError, match=THEN):
        findings.analyse(folder)
    assert len(files.read("scores", folder)) and len(files.read("timings", folder))


def test_a_study_that_is_not_timed_yet_is_read(tmp_path):
    about, frames = fake_study.untimed()
    assert not findings.analyse(fake_study.write(tmp_path, frames, about)).timed


@pytest.fixture(scope="module")
def whole():
    about, frames = fake_study.provenance(), fake_study.tables()
    return json.loads(json.dumps(about)), {name: files_in_order(name, frame) for name, frame in frames.items()}


def files_in_order(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(list(schema.TABLES[name].key), ignore_index=True)


OF_OTHERS = {"lexical", "form_scores", "form_timings"}  # of studies with such an arm, or other forms of a checkpoint
CHECKED = sorted(set(schema.TABLES) - OF_OTHERS - {"left_out", "jobs", "costs", "scenarios", "fertility"})


@given(st.sampled_from(CHECKED), st.data())
@settings(max_examples=60, deadline=None)
def test_any_row_taken_out_is_missed(whole, name, data):
    about, tables = whole
    row = data.draw(st.integers(0, len(tables[name]) - 1))
    changed = tables | {name: tables[name].drop(index=row).reset_index(drop=True)}
    with pytest.raises(RecordError):
        completeness.check(about, changed, "here", "do this")
    completeness.check(about, tables, "here", "do this")


def test_the_tables_that_the_findings_read_are_those_of_the_schema(found):
    assert set(found.tables) == set(schema.TABLES)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("study", "name"), "my study", "study.name is 'my study', allowed: small letters"),
        (("study", "intermediate"), {"a|b": {}}, "study.intermediate.a.b.* is 'a.b', allowed: small letters"),
        (("study", "targets"), {"<b>": {"steps": [1]}}, "study.targets.<b>.* is '<b>', allowed: small letters"),
        (("study", "durations"), [0, 16, 4], "study.durations is .*allowed: optimizer steps from 0"),
        (("study", "durations"), [], r"study.durations is \[\], allowed: optimizer steps from 0"),
        (("study", "seeds"), [], "study.seeds is .*allowed: one or more"),
        (("study", "inference", "languages"), ["{eval-rst}"], "study.inference.languages"),
        (("study", "inference", "margin"), "2 %", "study.inference.margin is '2 %', allowed: a number"),
        (("encoder", "layers"), None, "encoder.layers is None, allowed: a whole number"),
        (("machine", "cpu"), {"a": 1}, "machine.cpu is .*allowed: a text"),
        (("runs",), ["../../../etc"], "runs.0 is '../../../etc'"),
        (("timed",), "yes", "timed is 'yes'"),
        (("timed", "machine"), None, "timed.machine"),
        (("note",), ["x"], "note is .*allowed: a text"),
    ],
)
def test_a_provenance_of_another_shape_is_refused_with_field_value_and_what_is_allowed(
    tmp_path, about, path, value, said
):
    about = copy.deepcopy(about)
    place = about
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    folder = tmp_path / "1_pretrained/baseline/tables"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / provenance.FILE).write_text(json.dumps(about), encoding="utf8")
    with pytest.raises(RecordError, match=f"provenance.json: {said}.*restore it, or run the study again"):
        provenance.read(tmp_path)


@pytest.mark.parametrize("key", ["seeds", "inference", "targets", "languages", "training", "title"])
def test_a_fact_that_is_missing_is_named(tmp_path, about, key):
    about = copy.deepcopy(about)
    del about["study"][key]
    (tmp_path / provenance.FILE).write_text(json.dumps(about), encoding="utf8")
    with pytest.raises(RecordError, match=f"field {key} is missing; restore it"):
        provenance.read(tmp_path)


def test_a_machine_may_lack_an_engine_that_another_has(found):
    tables = dict(found.tables)
    lacks = (tables["engines"].engine == "bf16") & (tables["engines"].seed == 2)
    tables["engines"] = tables["engines"].assign(
        reason=tables["engines"].reason.mask(lacks, "no bfloat16 instructions")
    )
    for name in ("noise", "outputs", "timings", "fidelity", "engine_scores", "work"):
        rows = tables[name]
        tables[name] = rows[~((rows.engine == "bf16") & (rows.seed == 2))]
    completeness.check(found.provenance, tables, "here", "then")
    tables["noise"] = tables["noise"].query("not (engine == 'bf16' and replicate == 101)")
    with pytest.raises(RecordError, match="table noise lacks rows of replicate 101, engine bf16"):
        completeness.check(found.provenance, tables, "here", "then")


def test_layers_of_retrieval_may_be_left_out_of_some_runs(found):
    items = found.tables["items"]
    other = (items.target == "retr_bitext") & (items.layer < 2) & (items.seed == 1)
    completeness.check(found.provenance, found.tables | {"items": items[~other].reset_index(drop=True)}, "here", "then")


def refused(about, tables, name, rows, said):
    """The rows are whole, and are refused without any one of them."""
    tables = {"arms": ()} | tables
    completeness.check(about, tables | {name: rows}, "here", "do this")
    for place in (0, len(rows) // 2, len(rows) - 1):
        with pytest.raises(RecordError, match=said):
            completeness.check(about, tables | {name: rows.drop(index=place)}, "here", "do this")


def test_cosines_of_an_arm_of_injection_are_asked_for(whole):
    about, tables = whole
    arms = about["study"]["intermediate"]
    name, arm = next(iter(arms.items()))
    arm = arm | {"method": "lexical_injection", "languages": ["de", "zh"]}
    about = about | {"study": about["study"] | {"intermediate": arms | {name: arm}}}
    axes = [[name], arm["durations"], arm["seeds"], arm["languages"], ["trained", "control", "random"]]
    rows = pd.MultiIndex.from_product(axes, names=[*completeness.RUN, "language", "pairs"]).to_frame(index=False)
    refused(about, tables, "lexical", rows, f"table lexical lacks rows of intermediate {name}, duration")


def test_other_forms_of_a_checkpoint_are_asked_for(whole):
    about, tables = whole
    timing = about["study"]["inference"]
    forms = {"votes": {"intermediate": "none", "duration": 0, "forms": ["4"]}}
    about = about | {"study": about["study"] | {"inference": timing | {"forms": forms}}}
    numbers = [number for of_seed in timing["processes"].values() for number in of_seed]
    axes = [numbers, ["bf16"], ["votes"], ["0", "a/a", "planted", "4"], timing["batch_sizes"], timing["languages"]]
    names = ["replicate", "engine", "kind", "condition", "batch_size", "language"]
    rows = pd.MultiIndex.from_product(axes, names=names).to_frame(index=False)
    refused(about, tables, "form_timings", rows, "table form_timings lacks rows of replicate")
