"""The work of a forward pass: its operations as a hash, counted floating-point operations and bytes, subnormal numbers.

An operation is its name and the shapes and types of the tensors that go in and come out, never their values. Two
checkpoints with the same hash made the engine execute the same operations, in the same order, on numbers of the same kind.
What each runtime lets one see:

- PyTorch: every operation that reaches a kernel, as the dispatcher sees it once composite ones are taken apart; not what a
  kernel does inside, nor which instructions it picks.
- Compiled PyTorch: a profile of the compiled program: which compiled graph it called, by the compiler's own content hash,
  and the kernels of PyTorch that it calls, with shapes. Fused kernels show through the hash of their graph alone, which
  depends on the processor's vector width. Floating-point operations, bytes and subnormal numbers are those of the same
  modules not compiled, since a dispatch trace cannot look into a compiled program.
- ONNX Runtime: the profile of its optimised graph, node by node, after all fusions. The look-up of word embeddings before
  the graph is not seen. Weights that it packed are missing in a profile and counted by the shapes of their product.

Bytes are inputs and outputs of every operation but views: an upper bound of traffic to memory, since caches and fusion
save some of it. Floating-point operations are those of matrix products and attention, two for a multiplication and addition.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from stilts_utils.engines.base import Engine
from stilts_utils.models.batches import collated
from stilts_utils.models.checkpoints import Weights, subnormals

Tensors = tuple[tuple[str, tuple[int, ...]], ...]  # (type, shape) of each
PRODUCTS = ("MatMul", "FusedMatMul", "Gemm", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
WIDTHS = {
    "float": 4,
    "double": 8,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "uint8": 1,
    "int8": 1,
    "bool": 1,
}
UNWRITTEN = "empty"  # part of the names of operations whose output holds whatever lay in memory


@dataclass(frozen=True)
class Operation:
    name: str
    inputs: Tensors = ()
    outputs: Tensors = ()
    flops: int = 0
    moved: int = 0  # bytes


@dataclass(frozen=True)
class Work:
    """What a checkpoint's forward passes executed: see the module. `trace`: 16 hexadecimal digits."""

    operations: int
    trace: str
    flops: int
    bytes: int
    subnormal_activations: int


def digest(operations: list[Operation]) -> str:
    """A hash of the operations in their order: names, shapes and types."""
    seen = [(one.name, one.inputs, one.outputs) for one in operations]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


class _Dispatched(TorchDispatchMode):
    """Records every operation that reaches a kernel, and counts subnormal numbers in what it computes."""

    def __init__(self):
        super().__init__()
        self.operations: list[Operation] = []
        self.subnormal = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:  # a composite operation is recorded as its parts
            parts = function.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        result = function(*args, **kwargs)
        given, made = _tensors((args, kwargs)), _tensors(result)
        name = str(function)
        view = any(one.alias_info and not one.alias_info.is_write for one in function._schema.returns)
        moved = 0 if view else sum(tensor.numel() * tensor.element_size() for tensor in given + made)
        self.operations.append(
            Operation(name, _described(given), _described(made), _flops(function, args, result), moved)
        )
        if not view and UNWRITTEN not in name:
            self.subnormal += subnormals({str(n): one for n, one in enumerate(made) if one.is_floating_point()})
        return result


def _tensors(tree) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _described(tensors: list[torch.Tensor]) -> Tensors:
    return tuple((str(tensor.dtype), tuple(tensor.shape)) for tensor in tensors)


def _flops(function, args: tuple, result) -> int:
    """Floating-point operations of one that PyTorch's own counter knows, or of attention and linear layers on the CPU."""
    packet = function._overloadpacket
    if packet is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
        return sdpa_flop_count(*(one.shape for one in args[:3]))
    if packet in flop_registry:
        return int(flop_registry[packet](*args, out_val=result))
    if "linear" in str(packet) and isinstance(result, torch.Tensor):  # a fused kernel, such as mkldnn's
        return 2 * result.numel() * args[0].shape[-1]
    return 0


def dispatched(call: Callable[[], object]) -> tuple[list[Operation], int]:
    """The operations that a call executes in eager PyTorch, and the subnormal numbers among their outputs."""
    mode = _Dispatched()
    with mode:
        call()
    return mode.operations, mode.subnormal


def compiled(call: Callable[[], object]) -> list[Operation]:
    """The graphs and kernels that a call executes with compiled parts, which it should have compiled before."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        call()
    events = sorted(found.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    kept = [event for event in events if "::" in event.name() or "CompiledFxGraph" in event.name()]
    return [Operation(one.name(), tuple(zip(one.dtypes(), map(tuple, one.shapes()), strict=True))) for one in kept]


def _nodes(events: list[dict]) -> list[Operation]:
    """The operations of a profile of ONNX Runtime, in the order in which they ran."""
    nodes = [event for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    return [_node(event["args"]) for event in sorted(nodes, key=lambda event: event["ts"])]


def _node(told: dict) -> Operation:
    given, made = (
        tuple((kind, tuple(shape)) for one in told[f"{end}_type_shape"] for kind, shape in one.items())
        for end in ("input", "output")
    )
    moved = sum(math.prod(shape) * WIDTHS.get(kind, 1) for kind, shape in given + made)
    flops = 0
    if told["op_name"] in PRODUCTS:
        inner, (_, shape) = given[0][1][-1], made[0]
        flops = 2 * math.prod(shape) * inner
        if sum(len(one) > 1 for _, one in given) < 2:  # the weight was packed
            moved += inner * shape[-1] * (4 if told["op_name"] in PRODUCTS[:3] else 1)
    return Operation(told["op_name"], given, made, flops, moved)


def _forwards(engine: Engine, requests: list[list[dict]]) -> Callable[[], None]:
    """A call that computes the logits of all requests; tokenising and collating lie outside it."""
    pad = engine.tokenizer.pad_token_id
    batches = [batch for rows in requests for batch in collated(engine.encode(rows), pad)]

    def compute() -> None:
        for rows, batch in batches:
            engine.logits(batch, len(rows))

    return compute


@torch.inference_mode()
def work(engine: Engine, weights: Weights, requests: list[list[dict]], activations: int = 0) -> Work:
    """What an engine executes for some requests with a checkpoint, which it uses from then on.

    `activations`: the subnormal ones of the reference on the same requests, taken over for ONNX Runtime, which does not
    show its own.
    """
    compute = _forwards(engine, requests)
    if engine.deployment.runtime == "onnxruntime":
        seen = operations = _profiled(engine, weights, compute)
    else:
        engine.use(engine.convert(weights))
        operations, activations = dispatched(compute)
        seen = operations
        if engine.deployment.compiled:
            compute()  # compiles
            seen = compiled(compute)
    flops, moved = sum(one.flops for one in operations), sum(one.moved for one in operations)
    return Work(len(seen), digest(seen), flops, moved, activations)


def _profiled(engine: Engine, weights: Weights, compute: Callable[[], None]) -> list[Operation]:
    with tempfile.TemporaryDirectory() as folder:
        session = engine.session(weights, enable_profiling=True, profile_file_prefix=str(Path(folder) / "profile"))
        engine.use(session)
        compute()
        return _nodes(json.loads(Path(session.end_profiling()).read_text(encoding="utf8")))
