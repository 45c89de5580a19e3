import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils import engines
from stilts_utils.engines import trace
from stilts_utils.engines.trace import Operation, dispatched, work
from stilts_utils.models import encoder, heads
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec

SUBNORMAL = 1e-40
# bfloat16 is emulated where a machine lacks it: too slow to time, and right to trace.
ABLE = [name for name, entry in ENGINES.items() if not entry.exits and not entry.compiled]
COMPILED = [name for name, entry in ENGINES.items() if entry.compiled and not engines.unavailable(name)]


@pytest.fixture
def made(task_of):
    """`made(name)`: an engine over a random encoder of one layer, and a checkpoint for it."""

    def make(name):
        loaded = encoder.load(EncoderSpec("random", 1))
        head = heads.TaskModel(loaded.model, task_of["pair"], 0).head
        fresh = {f"head.{part}": value.detach().clone() for part, value in head.named_parameters()}
        weights = snapshot(loaded.trainable()) | fresh
        return engines.make(ENGINES[name], loaded, task_of["pair"], 64), weights

    return make


@pytest.mark.parametrize("name", [*ABLE, *COMPILED])
def test_other_weights_are_the_same_work_and_another_batch_is_not(name, made, tiny_rows):
    engine, weights = made(name)
    rows, scaled = tiny_rows("pair", 3), {key: 1.5 * value for key, value in weights.items()}
    found = work(engine, weights, [rows])
    assert found == work(engine, weights, [rows])
    other = work(engine, scaled, [rows])
    assert (other.trace, other.operations, other.flops, other.bytes) == (
        (found.trace, found.operations, found.flops, found.bytes)
    )
    smaller = work(engine, weights, [rows[:1]])
    assert smaller.trace != found.trace and smaller.flops < found.flops and smaller.bytes < found.bytes
    assert len(found.trace) == 16 and found.operations > 20


def test_engines_of_one_encoder_count_the_same_products(made, tiny_rows):
    rows = [tiny_rows("pair", 2)]
    flops = {name: work(*made(name), rows).flops for name in ABLE}
    assert set(flops.values()) == {flops["eager"]}, flops


@pytest.mark.parametrize("name", ["eager", "fp32", *COMPILED[:1]])
@pytest.mark.parametrize("extra", [lambda states, layer: states + 0, lambda states, layer: layer(states)])
def test_a_planted_operation_in_one_layer_changes_the_hash(name, extra, made, tiny_rows):
    plain, weights = made(name)
    engine, _ = made(name)
    attention = engine.model.encoder.encoder.layer[0].attention.output
    before, dense = attention.forward, attention.dense
    attention.forward = lambda *states: extra(before(*states), dense)
    rows = [tiny_rows("pair", 2)]
    found, planted = work(plain, weights, rows), work(engine, weights, rows)
    assert planted.trace != found.trace and planted.bytes > found.bytes


def test_a_planted_node_of_a_graph_changes_the_hash(made, tiny_rows):
    engine, weights = made("ort")
    rows = [tiny_rows("pair", 2)]
    found = work(engine, weights, rows)
    filled = engine._filled

    def planted(given):
        proto = filled(given)
        last = proto.graph.node[-1]
        output = last.output[0]
        last.output[0] = "before"
        proto.graph.node.add(op_type="Exp", input=["before"], output=[output])
        return proto

    engine._filled, engine._last = planted, (None, b"")
    other = work(engine, weights, rows)
    assert other.operations == found.operations + 1 and other.trace != found.trace


def test_a_planted_subnormal_activation_is_counted_once(made, tiny_rows):
    product = torch.eye(3) * SUBNORMAL
    operations, subnormal = dispatched(lambda: (torch.ones(3, 3) + 0, product * 1, product.t()))
    assert subnormal == 3
    assert dispatched(lambda: torch.ones(2) * 0)[1] == 0
    engine, weights = made("fp32")
    assert work(engine, weights, [tiny_rows("pair", 2)]).subnormal_activations == 0
    small = weights | {
        "head.weight": torch.zeros_like(weights["head.weight"]),
        "head.bias": torch.full((3,), SUBNORMAL),
    }
    small["head.bias"] = small["head.bias"][: len(weights["head.bias"])]
    assert work(engine, small, [tiny_rows("pair", 2)]).subnormal_activations == 2 * len(weights["head.bias"])


def test_flops_and_bytes_of_a_product_are_by_its_shapes():
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    (found,), _ = dispatched(lambda: a @ b)
    assert found.flops == 2 * 2 * 3 * 5 and found.moved == 4 * (6 + 15 + 10)
    assert dispatched(lambda: a.t())[0][0].moved == 0


OPERATIONS = st.builds(
    Operation,
    st.sampled_from("abc"),
    st.lists(st.tuples(st.sampled_from(["f", "i"]), st.lists(st.integers(1, 3), max_size=2).map(tuple))).map(tuple),
)


@given(st.lists(OPERATIONS, max_size=5), st.lists(OPERATIONS, max_size=5))
def test_hashes_are_equal_only_of_the_same_operations_in_the_same_order(one, other):
    assert (trace.digest(one) == trace.digest(other)) == (one == other)


@given(st.permutations([Operation(name) for name in "abcd"]))
def test_the_hash_depends_on_the_order(operations):
    in_order = [Operation(name) for name in "abcd"]
    assert (trace.digest(operations) == trace.digest(in_order)) == (operations == in_order)
