import dataclasses
import gc
import json

import pandas as pd
import pytest
import torch

from stilts_utils import engines
from stilts_utils.engines import Answer
from stilts_utils.models import hardware
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import Exits, Timing
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import files
from stilts_utils.timing import noise, paired, processes
from stilts_utils.timing.paired import LEAST_BLOCKS, Condition, conditions, replicate, requests, time_engine

ASKED = {"en": [{"id": "0"}], "de": [{"id": "1"}, {"id": "2"}]}
VISITS = [Condition("0", 0, {}), Condition("4", 4, {}), Condition("a/a", 0, {}), Condition("planted", 0, {}, 0.5)]


class Watched:
    """An engine that computes nothing and remembers what it was asked. Its checkpoints are the names of conditions."""

    name = "watched"
    in_place = True

    def __init__(self, unsteady=None):
        self.calls, self.unsteady, self.weights = [], unsteady, None

    def use(self, converted):
        self.weights = converted

    def answer(self, rows, hold=0.0):
        self.calls.append((self.weights, tuple(row["id"] for row in rows), hold))
        late = self.weights == self.unsteady and len(self.calls) > 2 + 2 * len(VISITS) * 3
        return Answer([self.weights + "!" if late else self.weights] * len(rows), 0.1, 0.2, 0.3 * (1 + hold), 5, 8)


CONVERTED = {visit.name: visit.name for visit in VISITS}


def test_every_language_has_its_turn_in_a_block_and_every_condition_once_in_a_turn():
    found = pd.DataFrame(time_engine(Watched(), VISITS, CONVERTED, ASKED, 0, seed=3)[0])
    assert found.block.nunique() == LEAST_BLOCKS
    orders = []
    for _, block in found.groupby("block"):
        assert block.position.tolist() == list(range(len(VISITS) * len(ASKED)))
        for _, turn in block.groupby("language"):
            assert turn.position.max() - turn.position.min() == len(VISITS) - 1  # close together
            assert sorted(turn.condition) == sorted(visit.name for visit in VISITS)
            orders.append(tuple(turn.condition))
    assert len(set(orders)) > 3
    assert {block.language.iloc[0] for _, block in found.groupby("block")} == set(ASKED)
    again = pd.DataFrame(time_engine(Watched(), VISITS, CONVERTED, ASKED, 0, seed=3)[0])
    pd.testing.assert_frame_equal(found, again)
    assert not found.equals(pd.DataFrame(time_engine(Watched(), VISITS, CONVERTED, ASKED, 0, seed=4)[0]))


@pytest.mark.parametrize("in_place", [True, False])
def test_weights_are_swapped_for_every_request_and_warmed_up_where_they_lie_in_other_memory(in_place):
    engine = Watched()
    engine.in_place = in_place
    rows, outputs, blocks = time_engine(engine, VISITS, CONVERTED, ASKED, 0, seed=0)
    assert engine.calls[:2] == [(None, ("0",), 0.0), (None, ("1", "2"), 0.0)]
    assert len(rows) == blocks * len(VISITS) * len(ASKED)
    expected = []
    for row in rows:
        name, ids = row["condition"], tuple(one["id"] for one in ASKED[row["language"]])
        expected += ([] if in_place else [(name, ids, 0.0)]) + [(name, ids, 0.5 if name == "planted" else 0.0)]
    assert engine.calls[2:] == expected
    assert outputs == {visit.name: [visit.name] * 3 for visit in VISITS}
    assert {row["language"]: (row["sentences"], row["tokens"]) for row in rows} == {"en": (1, 5), "de": (2, 5)}


def test_blocks_go_on_until_the_time_is_over(monkeypatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr(paired.time, "perf_counter", lambda: float(next(seconds)))  # a second per look at the clock
    assert time_engine(Watched(), VISITS, CONVERTED, ASKED, 9.5, seed=0)[2] > LEAST_BLOCKS
    assert time_engine(Watched(), VISITS, CONVERTED, ASKED, 0.5, seed=0)[2] == LEAST_BLOCKS


def test_decisions_that_change_between_blocks_stop_the_timing():
    with pytest.raises(RuntimeError, match="engine watched: condition 4 decided differently in block [1-4]"):
        time_engine(Watched(unsteady="4"), VISITS, CONVERTED, ASKED, 0, seed=0)
    assert gc.isenabled()


def test_the_garbage_collector_waits_while_timing(monkeypatch):
    engine, seen = Watched(), []
    answer = engine.answer
    engine.answer = lambda rows, hold=0.0: seen.append(gc.isenabled()) or answer(rows, hold)
    time_engine(engine, VISITS, CONVERTED, ASKED, 0, seed=0)
    assert seen[:2] == [True, True] and not any(seen[2:])  # the first two are not timed
    assert gc.isenabled()


def test_conditions_are_the_durations_and_two_controls_of_duration_0(tiny_study):
    weights = {duration: {"w": torch.tensor(float(duration))} for duration in (0, 2, 4)}
    found = conditions(tiny_study, weights)
    assert [(c.name, c.duration, c.hold) for c in found] == [
        ("0", 0, 0.0),
        ("2", 2, 0.0),
        ("4", 4, 0.0),
        ("a/a", 0, 0.0),
        ("planted", 0, tiny_study.inference.planted),
    ]
    assert all(c.weights is weights[c.duration] for c in found)


def test_requests_at_batch_1_are_one_row_per_language(tiny_study):
    asked = requests(tiny_study, 1, 0)
    assert {language: len(rows) for language, rows in asked.items()} == {"en": 1, "de": 1}


def test_a_larger_batch_holds_rows_of_one_language_and_every_process_the_next_ones(tiny_study, monkeypatch):
    monkeypatch.setattr(
        paired, "evaluation_rows", lambda study, task, language, limit: [f"{language}{i}" for i in range(5)]
    )
    found = [requests(tiny_study, 2, process) for process in range(4)]
    assert [asked["en"] for asked in found] == [["en0", "en1"], ["en2", "en3"], ["en4", "en0"], ["en1", "en2"]]
    assert all(asked["de"] == [row.replace("en", "de") for row in asked["en"]] for asked in found)


@pytest.mark.parametrize("instructions", [None, "bf16"])
def test_a_replicate_gives_tables_that_fit_their_schemas(instructions, tiny_study, tiny_place, monkeypatch):
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: instructions)
    study = dataclasses.replace(
        tiny_study,
        inference=Timing(
            "mc_facts",
            ("en", "de"),
            batch_sizes=(1, 3),
            seconds=0.01,
            exits=Exits("mc_facts", requests=2, batch_size=2, seconds=0.1),
        ),
    )
    runs = [replicate(study, tiny_place, seed, number) for seed, number in ((1, 101), (2, 201), (1, 102))]
    for name in ("fidelity", "engine_scores"):
        assert runs[2].pop(name).empty  # the seeds were compared in the first processes
    frames = {name: pd.concat([found[name] for found in runs if name in found]) for name in runs[0]}
    assert set(frames) == {"timings", "noise", "outputs", "engines", "fidelity", "engine_scores", "exit_timings"}
    for name, frame in frames.items():
        files.check(name, frame.assign(stalled=0) if name == "noise" else frame)
    names = ["fp32", "bf16"] if instructions else ["fp32"]
    assert set(frames["timings"].engine) == set(names)
    assert frames["timings"].groupby("replicate").seed.unique().to_dict() == {101: [1], 102: [1], 201: [2]}
    assert len(frames["noise"]) == 3 * len(names) * 2
    assert (frames["noise"].blocks >= LEAST_BLOCKS).all()
    counted = frames["timings"].groupby(["replicate", "engine", "batch_size"]).block.nunique()
    stored = frames["noise"].set_index(["replicate", "engine", "batch_size"]).blocks
    assert counted.to_dict() == stored.to_dict()
    outputs = frames["outputs"]
    assert set(outputs.condition) == {"0", "1", "2", "4", "a/a", "planted"}
    compared = frames["fidelity"]
    assert len(compared) == 2 * len(names) * 4 * 2 and (compared["items"] == 8).all()
    exact = compared[compared.engine == "fp32"]
    assert (exact.agreement == 1).all()
    scored = frames["engine_scores"].query("engine == 'fp32'")
    assert len(scored) == len(exact) and (scored.score == scored.reference_score).all()
    assert (compared[compared.engine == "fp32"].largest_difference < 1e-4).all()
    readied = frames["engines"].set_index("engine")
    assert (readied.loc[names].reason == "").all() and (readied.loc[names].prepare_s > 0).all()
    assert readied.loc["bf16"].reason.str.contains("no bfloat16 instructions").all() == (instructions is None)
    of_zero = outputs[outputs.duration == 0].groupby(["replicate", "engine", "batch_size"]).sha256.nunique()
    assert (of_zero == 1).all()  # the controls decide as duration 0 does
    timings = frames["timings"]
    assert set(timings.language) == {"en", "de"}
    exits = frames["exit_timings"]
    assert set(exits.duration) == {0, 1, 2, 4} and (exits.groupby("replicate").batch_size.nunique() == 2).all()
    fixed = exits[exits.rule.str.startswith("layer-")]
    assert (fixed.layers == fixed.sentences * fixed.rule.str.removeprefix("layer-").astype(int)).all()
    assert {"calibrated", "equal_threshold", "equal_depth"} < set(exits.rule)
    held = timings[timings.condition == "planted"]
    assert (held.decode_s >= study.inference.planted * (held.tokenise_s + held.forward_s)).all()


def test_every_engine_is_compared_with_the_reference_on_the_same_checkpoint(tiny_study, tiny_place):
    timed = dataclasses.replace(tiny_study.inference, engines=("fp32", "ort"), seconds=0.01)
    found = replicate(dataclasses.replace(tiny_study, inference=timed), tiny_place, 1, 101)["fidelity"]
    assert found.groupby("engine").size().to_dict() == {"fp32": 8, "ort": 8}
    assert found.largest_difference.max() < 1e-4 and (found.agreement == 1).all()


def test_a_process_is_disturbed_when_others_take_its_time(tiny_study, tiny_place, monkeypatch):
    found = {"foreign_share": 0.0, "steal_share": 0.0, "load": 1.0}
    monkeypatch.setattr(noise.NoiseWatch, "stop", lambda self: dict(found))
    for change, disturbed in (
        ({}, False),
        ({"foreign_share": 0.11}, True),
        ({"foreign_share": 0, "steal_share": 0.06}, True),
    ):
        found |= change
        assert set(replicate(tiny_study, tiny_place, 1, 101)["noise"].disturbed) == {disturbed}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_timed_does_not_depend_on_where_it_was_trained(precision, tiny_study, tiny_place, monkeypatch):
    """Training in bfloat16 rounds the frozen embeddings too: the float32 engine must not run on those."""
    monkeypatch.setattr(hardware, "training_precision", lambda: precision)
    seen = []

    def watch(engine, visits, converted, *rest, **more):
        engine.use(converted[visits[-1].name])
        seen.append({name: w.clone() for name, w in engine.model.state_dict().items()})
        return [], {visit.name: [0] for visit in visits}, 3

    monkeypatch.setattr(paired, "time_engine", watch)
    study = dataclasses.replace(tiny_study, inference=dataclasses.replace(tiny_study.inference, engines=("fp32",)))
    for _ in range(2):  # trained here, then read from the stored checkpoints
        replicate(study, tiny_place, 1, 101)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def test_every_replicate_has_a_process_of_its_own(tiny_study, tiny_place, monkeypatch):
    pools, frames = [], ("timings", "outputs", "noise", "engines")

    class Pool:
        def __init__(self, max_workers, mp_context):
            assert (max_workers, mp_context.get_start_method()) == (1, "spawn")
            pools.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

        def submit(self, call, *arguments):
            assert call is replicate and all(pool.closed for pool in pools[:-1])
            self.found = call(*arguments)
            return self

        def result(self):
            return self.found

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Pool)
    found = paired.replicates(
        dataclasses.replace(tiny_study, inference=Timing("mc_facts", replicates=3, seconds=0.01)), tiny_place, 2
    )
    assert len(pools) == 3
    assert {name: sorted(found[name].replicate.unique()) for name in frames} == {
        name: [201, 202, 203] for name in frames
    }
    for name in frames:
        files.check(name, found[name])


def test_decisions_of_every_shape_can_be_hashed(tiny_rows, task_of, tiny_encoder):
    for shape in ("pair", "choice", "tagging", "span"):
        answer = engines.make(ENGINES["fp32"], tiny_encoder, task_of[shape], 64).answer(tiny_rows(shape, 3))
        assert json.loads(json.dumps(answer.decisions)) == answer.decisions


def test_a_batch_that_the_rows_do_not_fill_is_refused(tiny_study, monkeypatch):
    monkeypatch.setattr(paired, "evaluation_rows", lambda *place: ["only"])
    with pytest.raises(
        StudyError, match="inference.batch_sizes is 3, allowed: 1 or less: mc_facts has no more rows in en"
    ):
        requests(tiny_study, 3, 0)


def test_a_study_without_an_engine_for_this_machine_stops_before_it_times(tiny_study, tiny_place, monkeypatch):
    monkeypatch.setattr(hardware, "bf16_arithmetic", lambda: False)
    timed = dataclasses.replace(tiny_study.inference, engines=("bf16",))
    with pytest.raises(StudyError, match="inference.engines is .*no bfloat16 instructions.* allowed: .*fp32"):
        paired.replicates(dataclasses.replace(tiny_study, inference=timed), tiny_place, 1)
