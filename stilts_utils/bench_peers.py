"""Our engines against what a reader would use instead: one checkpoint of the timed target, the same real text of all
languages, and decisions that are compared.

The peer is the pipeline of transformers, which has one for tagging: a study that times another shape has none.
"""

import time
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, pipeline

from stilts_utils import encoder, engines, hardware, sizes
from stilts_utils.coverage import available, evaluation_rows
from stilts_utils.deployments import ENGINES
from stilts_utils.engines import Engine
from stilts_utils.phases import Session
from stilts_utils.records import PRETRAINED
from stilts_utils.study import Study
from stilts_utils.tasks import Task, task
from stilts_utils.training import Weights

SENTENCES, BATCH = 128, 32
SINGLE = 24  # requests of one sentence, for p50 and p95
SQUARE = 2048  # rows and columns of the product that measures the machine


def rows_of(study: Study, target: str, count: int = SENTENCES) -> list[dict]:
    """Scored rows of all languages in turn."""
    languages = available(study, target)
    share = -(-count // len(languages))
    turns = zip_longest(*(evaluation_rows(study, target, language, share) for language in languages))
    return [row for row in chain.from_iterable(turns) if row is not None][:count]


def peer(loaded: encoder.Encoder, entry: Task, weights: Weights) -> Callable[[list[dict]], list[list[str]]]:
    """The pipeline of transformers with a checkpoint: tags of the words of every row, as engines give them."""
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
    tagger = pipeline("token-classification", model=model, tokenizer=loaded.tokenizer, ignore_labels=[], device=-1)

    def tags(rows: list[dict]) -> list[list[str]]:
        found = tagger([row["tokens"] for row in rows], batch_size=min(BATCH, len(rows)), is_split_into_words=True)
        return [_of_words(row["tokens"], tokens) for row, tokens in zip(rows, found, strict=True)]

    return tags


def _of_words(words: list[str], tokens: list[dict]) -> list[str]:
    """The tag of every word's first token; O where a word has none."""
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
    session = Session.open(study, "bench", "peers")
    weights = session.fine_tuned(target, PRETRAINED, 0, study.seeds[0])
    spec, rows = session.encoder.spec, rows_of(study, target)
    torch.set_num_threads(hardware.cores())
    ask = peer(encoder.load(spec), entry, weights)
    expected = list(chain.from_iterable(ask(rows)))
    for name in study.inference.engines:
        if reason := engines.unavailable(name):
            yield f"{name}: not run, {reason}"
            continue
        engine = engines.make(ENGINES[name], encoder.load(spec), entry, study.max_length(target), study.training.stride)
        engine.use(engine.convert(weights))
        found = chain.from_iterable(engine.answer(rows).decisions)
        agreed = 100 * np.mean([ours == theirs for ours, theirs in zip(found, expected, strict=True)])
        called = f"{name} over the transformers pipeline (agreement {agreed:.1f} %)"
        yield compare(
            f"throughput, {len(rows)} sentences, {called}", lambda: ask(rows), lambda e=engine: e.answer(rows)
        )
        yield f"one sentence, {name}: {_percentiles(lambda row, e=engine: e.answer([row]), rows)}"
        yield _share(engine, rows, sizes.of_config(session.encoder.model.config))
    yield f"one sentence, transformers pipeline: {_percentiles(lambda row: ask([row]), rows)}"


def _percentiles(call: Callable[[dict], object], rows: list[dict]) -> str:
    call(rows[0])
    taken = []
    for row in rows[:SINGLE]:
        began = time.perf_counter()
        call(row)
        taken.append(1e3 * (time.perf_counter() - began))
    return "p50 {:.1f} ms, p95 {:.1f} ms".format(*np.percentile(taken, [50, 95]))


def _share(engine: Engine, rows: list[dict], size: sizes.Sizes) -> str:
    """The share of the largest matmul rate that the forward pass reaches, counting real tokens only."""
    answer = engine.answer(rows)
    rate = size.forward(answer.tokens, answer.tokens / len(rows)) / answer.forward_s
    dtype = torch.bfloat16 if engine.deployment.precision == "bf16" else torch.float32
    peak = matmul_rate(dtype)
    return f"{engine.name}: {100 * rate / peak:.0f} % of the {peak / 1e9:,.0f} GFLOP/s of a large {dtype} product"
