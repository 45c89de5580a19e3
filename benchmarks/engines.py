"""Our engines against those that a reader would use instead: one checkpoint of the timed target, the same real text of all
languages, and decisions that are compared.

Peers are the pipeline of transformers and ONNX Runtime used plainly. Both are there for tagging only, because transformers
has no pipeline for the other shapes that a study may time.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.tables import peak_gb
from stilts_utils import engines
from stilts_utils.analysis.latency import interval
from stilts_utils.data.study_rows import available, evaluation_rows
from stilts_utils.engines import Engine
from stilts_utils.models import encoder, hardware
from stilts_utils.models.checkpoints import Weights
from stilts_utils.report.formats import bracketed, decimal
from stilts_utils.study import settings, sizes
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.place import Place
from stilts_utils.study.settings import PRETRAINED
from stilts_utils.study.study import Study
from stilts_utils.tasks import Task, task
from stilts_utils.timing.processes import apart
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.session import Session

Tagger = Callable[[list[dict]], list[list[str]]]  # tags of the words of every row, as engines give them
SENTENCES, BATCH = 128, 32
SINGLE = 96  # requests of one sentence, for p50 and p95
SQUARE = 2048  # rows and columns of the product that measures the machine


def rows_of(study: Study, target: str, count: int = SENTENCES) -> list[dict]:
    """Scored rows of all languages in turn."""
    languages = available(study, target)
    share = -(-count // len(languages))
    turns = zip_longest(*(evaluation_rows(study, target, language, share) for language in languages))
    return [row for row in chain.from_iterable(turns) if row is not None][:count]


def tagging_model(loaded: encoder.Encoder, entry: Task, weights: Weights):
    """A checkpoint as the model of transformers for tagging."""
    from transformers import AutoModelForTokenClassification

    loaded.model.config.num_labels = len(entry.labels)
    loaded.model.config.id2label = dict(enumerate(entry.labels))
    loaded.model.config.label2id = {label: i for i, label in enumerate(entry.labels)}
    model = AutoModelForTokenClassification.from_config(loaded.model.config).eval()
    setattr(model, model.base_model_prefix, loaded.model)
    with torch.no_grad():
        for name, parameter in loaded.trainable().items():
            parameter.copy_(weights[name])
        for name, parameter in model.classifier.named_parameters():
            parameter.copy_(weights[f"head.{name}"])
    return model


def transformers_pipeline(loaded: encoder.Encoder, entry: Task, weights: Weights) -> Tagger:
    """The pipeline of transformers, as it comes."""
    from transformers import pipeline

    model = tagging_model(loaded, entry, weights)
    tagger = pipeline("token-classification", model=model, tokenizer=loaded.tokenizer, ignore_labels=[], device=-1)

    def tags(rows: list[dict]) -> list[list[str]]:
        words = [row["tokens"] for row in rows]
        tagged = tagger(words, batch_size=min(BATCH, len(rows)), is_split_into_words=True)
        return [word_tags(*pair) for pair in zip(words, tagged, strict=True)]

    return tags


def plain_onnxruntime(loaded: encoder.Encoder, entry: Task, weights: Weights) -> Tagger:
    """The exported model in a plain session of ONNX Runtime; batches as rows come, padded to the longest."""
    import onnxruntime

    from stilts_utils.engines.onnx import session_options  # all sessions of a process share its threads

    model = tagging_model(loaded, entry, weights)
    names, whole = ["input_ids", "attention_mask"], torch.ones(2, 8, dtype=torch.long)
    shapes = {name: {0: torch.export.Dim("rows"), 1: torch.export.Dim("length")} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            model, (whole, whole.clone()), file, dynamo=True, dynamic_shapes=shapes, input_names=names, verbose=False
        )
        session = onnxruntime.InferenceSession(file, session_options(), ["CPUExecutionProvider"])

    def tags(rows: list[dict]) -> list[list[str]]:
        decisions = []
        for first in range(0, len(rows), BATCH):
            words = [row["tokens"] for row in rows[first : first + BATCH]]
            inputs = loaded.tokenizer(words, is_split_into_words=True, padding=True, return_tensors="np")
            (logits,) = session.run(None, {name: inputs[name].astype(np.int64) for name in names})
            for i, best in enumerate(logits.argmax(-1)):
                places = inputs.word_ids(i)
                firsts = {place: at for at, place in reversed(list(enumerate(places))) if place is not None}
                decisions.append([entry.labels[best[firsts[w]]] if w in firsts else "O" for w in range(len(words[i]))])
        return decisions

    return tags


PIPELINE = "the transformers pipeline"
PEERS = {PIPELINE: transformers_pipeline, "plain ONNX Runtime": plain_onnxruntime}
GOALS = {PIPELINE: 3.0, "plain ONNX Runtime": 1.3}  # ratios of throughput, with decisions that agree in 99.5 %
MATMUL_GOAL = 55  # percent


def word_tags(words: list[str], tokens: list[dict]) -> list[str]:
    """The tag of every word's first token; O if a word has none."""
    first: dict[int, str] = {}
    for token in tokens:
        first.setdefault(token["start"], token["entity"])
    tags, start = [], 0
    for word in words:
        tags.append(next((first[at] for at in range(start, start + len(word)) if at in first), "O"))
        start += len(word) + 1
    return tags


def matmul_rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """The largest rate, in operations per second, of a large square product."""
    left, right = (torch.randn(SQUARE, SQUARE).to(dtype) for _ in range(2))
    torch.set_num_threads(hardware.cores())
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds or not best:
        now = time.perf_counter()
        left @ right
        best = max(best, 2 * SQUARE**3 / (time.perf_counter() - now))
    return best


def lines(study: Study, compare: Callable[..., str]) -> Iterator[str]:
    """One line for each ratio and share; `compare(name, one, other)` measures two calls side by side."""
    target = study.inference.target
    entry = task(target)
    if entry.shape != "tagging":
        yield f"no peer: transformers has no pipeline for the shape of {target}, {entry.shape}"
        return
    session = Session.open(study, Place.of(study, "bench", run="peers"))
    weights = fine_tuned(session, target, PRETRAINED, 0, study.seeds[0])
    spec, rows = session.encoder.spec, rows_of(study, target)
    peers = {
        name: _threaded(make(encoder.load(spec), entry, weights), name == PIPELINE) for name, make in PEERS.items()
    }
    ours = {}
    expected = list(chain.from_iterable(peers[PIPELINE](rows)))
    names = dict.fromkeys((*study.inference.engines, "ort"))  # ort is of the same class as the fastest peer
    reasons = {name: engines.unavailable(name) for name in names}
    able = [name for name, reason in reasons.items() if not reason]
    yield from (f"{name}: not run, {reason}" for name, reason in reasons.items() if reason)
    for name in able:
        engine = _engine(study, name, spec, weights)
        ours[name] = answer = _threaded(engine.answer, engine.deployment.runtime == "torch")
        decisions = chain.from_iterable(answer(rows).decisions)
        agreed = 100 * np.mean([ours == theirs for ours, theirs in zip(decisions, expected, strict=True)])
        same_class = {PIPELINE: engine.deployment.exact}
        for peer, ask in peers.items():
            goal = f"to reach: {GOALS[peer]}; " * same_class.get(peer, engine.deployment.precision == "fp32")
            pair = f"{name} over {peer} ({goal}decisions as the pipeline's: {agreed:.1f} %)"
            yield compare(f"throughput, {len(rows)} sentences, {pair}", partial(ask, rows), partial(answer, rows))
        if engine.deployment.precision != "int8":  # torch has no rate of int8 products to set it against
            yield _share(engine, rows, sizes.of_config(session.encoder.model.config))
    yield from single_lines(ours, peers, rows)
    for name in (*able, *PEERS):
        with tempfile.TemporaryDirectory() as folder:
            save_file(weights, file := Path(folder, "weights.safetensors"))
            seconds, memory = apart(started, study, name, spec, file, rows[:1])
        yield f"{name}: {seconds:.1f} s to a first answer in a new process, without imports; peak {memory:.2f} GB"


def _threaded(call: Callable, torch_computes: bool) -> Callable:
    """The call with all cores for torch, or one: its idle threads would spin on those that ONNX Runtime computes on."""
    threads = hardware.cores() if torch_computes else 1

    def threaded(rows: list[dict]):
        torch.set_num_threads(threads)
        return call(rows)

    return threaded


def _engine(study: Study, name: str, spec: settings.EncoderSpec, weights: Weights) -> Engine:
    target = study.inference.target
    length, stride = study.max_length(target), study.training.stride
    engine = engines.make(ENGINES[name], encoder.load(spec), task(target), length, stride)
    engine.use(engine.convert(weights))
    return engine


def started(study: Study, name: str, spec: settings.EncoderSpec, file: Path, rows: list[dict]) -> tuple[float, float]:
    """Seconds until an engine or peer has answered, and the peak resident size in GB, of a fresh process.

    `file` holds the model's weights: to train it here would be in the peak.
    """
    target, weights = study.inference.target, load_file(file)
    torch.set_num_threads(hardware.cores())
    began = time.perf_counter()
    if name in PEERS:
        PEERS[name](encoder.load(spec), task(target), weights)(rows)
    else:
        _engine(study, name, spec, weights).answer(rows)
    return time.perf_counter() - began, peak_gb()


def single_lines(ours: dict[str, Callable], peers: dict[str, Callable], rows: list[dict]) -> Iterator[str]:
    """p50 and p95 of requests of one sentence, and the fastest of ours against the fastest peer.

    For every sentence all take turns in random order, each after a call that does not count: the threads of the one
    before it have then gone idle. Their ratio is of times for the same sentence.
    """
    calls, order = ours | peers, random.Random(0)
    taken = {name: [] for name in calls}
    for row in rows[:SINGLE]:
        for name in order.sample(list(calls), len(calls)):
            calls[name](rows[:1])
            began = time.perf_counter()
            calls[name]([row])
            taken[name].append(1e3 * (time.perf_counter() - began))
    p50 = {name: np.median(times) for name, times in taken.items()}
    for name, times in taken.items():
        yield f"one sentence, {name}: p50 {p50[name]:.1f} ms, p95 {np.percentile(times, 95):.1f} ms"
    best, peer = min(ours, key=p50.get), min(peers, key=p50.get)
    ratio = ratio_text(np.log(np.array(taken[peer]) / np.array(taken[best])))
    yield f"one sentence, {best} over {peer}, the fastest of each (to reach: 1.0): {ratio} ({len(taken[best])} sentences)"


def ratio_text(logs: np.ndarray) -> str:
    """The ratio whose logarithms were measured in pairs, with its 95 % t interval."""
    return bracketed(decimal, np.exp(logs.mean()), *interval(logs, 0.95), 2)


def _share(engine: Engine, rows: list[dict], size: sizes.Sizes) -> str:
    """The share of the largest matmul rate that the forward pass reaches, counting real tokens only."""
    answer = engine.answer(rows)
    rate = size.forward(answer.tokens, answer.tokens / len(rows)) / answer.forward_s
    dtype = torch.bfloat16 if engine.deployment.precision == "bf16" else torch.float32
    peak = matmul_rate(dtype)
    reached = f"{100 * rate / peak:.0f} % of the {peak / 1e9:,.0f} GFLOP/s of a large {dtype} product"
    return f"{engine.name}: {reached} (to reach: {MATMUL_GOAL} %)"
