"""ONNX Runtime engines: the graph is exported once, and every checkpoint gets a session of its own.

ONNX Runtime packs weights when a session is made, so they cannot be swapped in place: the sessions of two checkpoints
lie in different memory. The A/A control is another session too, so its interval holds that spread. Word embeddings,
which no training changes, are looked up before the graph and shared by all sessions.
"""

import hashlib
import logging
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

from stilts_utils.engines.base import Engine
from stilts_utils.models import hardware, heads
from stilts_utils.models.checkpoints import Weights, fingerprint
from stilts_utils.models.encoder import Encoder
from stilts_utils.study import whole
from stilts_utils.study.engines import Deployment
from stilts_utils.study.settings import EncoderSpec, cache_folder
from stilts_utils.tasks import Task


@cache
def _share_threads() -> None:
    """One pool of threads for all sessions of this process; it can be asked for once, before the first session."""
    onnxruntime.set_global_thread_pool_sizes(hardware.cores(), 1)


def session_options(**more) -> onnxruntime.SessionOptions:
    """Options of a session on the threads that all sessions of this process share."""
    _share_threads()
    options = onnxruntime.SessionOptions()
    options.use_per_session_threads = False  # idle threads of other sessions would spin on the cores of this one
    options.log_severity_level = 3  # errors
    for name, value in more.items():
        setattr(options, name, value)
    return options


def _quantised(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with int8 matrix products: weights per tensor beforehand, activations as they come.

    Weights take 7 bits if the CPU would add products of 8 bits in 16 and saturate, as ONNX Runtime advises.
    """
    narrow = not hardware.int8_instructions()
    with tempfile.TemporaryDirectory() as folder:
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        # Only weights that are constant once transposes are folded can be quantised beforehand.
        basic = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options = session_options(graph_optimization_level=basic, optimized_model_filepath=str(folded))
        onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
        logging.getLogger().disabled, before = True, logging.getLogger().disabled  # it advises this very step
        try:
            quantize_dynamic(folded, quantised, weight_type=QuantType.QInt8, reduce_range=narrow)
        finally:
            logging.getLogger().disabled = before
        return onnx.load(quantised)


class _Graph(torch.nn.Module):
    """Embedded tokens to logits of the head: (sequences, classes) or (sequences, length, classes)."""

    def __init__(self, model: heads.TaskModel):
        super().__init__()
        self.model = model

    def forward(self, inputs_embeds, attention_mask, token_type_ids):
        inputs = {"inputs_embeds": inputs_embeds, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        return self.model.read(self.model.encoder(**inputs).last_hidden_state, attention_mask)


def _export(model: heads.TaskModel) -> onnx.ModelProto:
    """The graph of a task's model after its word embeddings, for any number of sequences and any length.

    It is not optimised yet, so that every weight has its own name in it.
    """
    sequences, length = torch.export.Dim("sequences"), torch.export.Dim("length")
    mask = torch.ones(2, 8, dtype=torch.long)
    shapes = {name: {0: sequences, 1: length} for name in ("inputs_embeds", "attention_mask", "token_type_ids")}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of every operator of torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Graph(model).eval(),
            (torch.zeros(2, 8, model.encoder.config.hidden_size), mask, torch.zeros_like(mask)),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(shapes),
            output_names=["logits"],
            optimize=False,
            verbose=False,
        )
    return program.model_proto


def graph(model: heads.TaskModel, spec: EncoderSpec, swapped: list[str]) -> onnx.ModelProto:
    """The exported graph, kept on disk, without the values of the tensors that are swapped.

    Raises RuntimeError if a weight is not in the graph, so that it could not be deployed.
    """
    versions = (torch.__version__, transformers.__version__, onnx.__version__)
    kept = [value for name, value in sorted(model.encoder.embeddings.state_dict().items()) if "word" not in name]
    digest = hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in kept)).hexdigest()
    config = model.encoder.config.to_json_string()
    code = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (__file__, heads.__file__)]
    made_from = fingerprint(spec.name, config, digest, model.task.shape, model.head.out_features, *versions, *code)
    file = cache_folder() / f"{made_from}.onnx"
    if not file.is_file():
        proto = _export(model)
        stored = {tensor.name: tensor for tensor in proto.graph.initializer}
        if missing := [name for name in swapped if name not in stored]:
            raise RuntimeError(f"the ONNX graph has no weights {', '.join(missing[:3])}; use an engine of torch")
        for name in swapped:
            stored[name].ClearField("raw_data")
        with whole.file(file, shared=True) as temporary:
            onnx.save(proto, temporary)
    return onnx.load(file)


class OrtEngine(Engine):
    """ONNX Runtime on the CPU, in float32 or with dynamic int8 quantisation."""

    precisions = ("fp32", "int8")
    in_place = False

    def __init__(self, deployment: Deployment, encoder: Encoder, task: Task, max_length: int, stride: int = 64):
        super().__init__(deployment, encoder, task, max_length, stride)
        torch.set_num_threads(1)  # idle threads of torch would spin on the cores that ONNX Runtime computes on
        encoder.model.set_attn_implementation(deployment.attention)
        model = heads.TaskModel(encoder.model, task, seed=0).eval()
        self._places = {name: f"model.encoder.{name}" for name in encoder.trainable()}
        self._places |= {f"head.{name}": f"model.head.{name}" for name, _ in model.head.named_parameters()}
        self._graph = graph(model, encoder.spec, list(self._places.values()))
        self._words = encoder.model.get_input_embeddings().weight
        self._typed = getattr(encoder.model.config, "type_vocab_size", 0) > 1
        self._session = None
        self._last: tuple[Weights | None, bytes] = (None, b"")

    def convert(self, weights: Weights) -> onnxruntime.InferenceSession:
        """A new session with a checkpoint's weights, in memory of its own even for the same weights."""
        return self.session(weights)

    def session(self, weights: Weights, **options) -> onnxruntime.InferenceSession:
        """`convert` with further options of `session_options`, such as those of profiling."""
        if self._last[0] is not weights:
            self._last = weights, self._filled(weights).SerializeToString()
        return onnxruntime.InferenceSession(self._last[1], session_options(**options), ["CPUExecutionProvider"])

    def _filled(self, weights: Weights) -> onnx.ModelProto:
        proto = onnx.ModelProto()
        proto.CopyFrom(self._graph)
        stored = {tensor.name: tensor for tensor in proto.graph.initializer}
        for name, place in self._places.items():
            stored[place].CopyFrom(onnx.numpy_helper.from_array(weights[name].numpy(), place))
        return _quantised(proto) if self.deployment.precision == "int8" else proto

    def use(self, converted: onnxruntime.InferenceSession) -> None:
        self._session = converted

    def logits(self, batch: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        types = torch.zeros_like(batch["input_ids"])
        if self._typed:
            types = batch.get("token_type_ids", types)
        inputs = {
            "inputs_embeds": torch.nn.functional.embedding(batch["input_ids"], self._words).numpy(),
            "attention_mask": batch["attention_mask"].numpy(),
            "token_type_ids": types.numpy(),
        }
        (logits,) = self._session.run(None, inputs)
        logits = torch.from_numpy(np.asarray(logits))
        return logits.reshape(rows, -1) if self.task.shape in ("pair", "choice") else logits
