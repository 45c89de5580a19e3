"""Zero-shot evaluation: decisions of a trained model, or retrieval over the layers of an encoder, in every language."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pandas as pd
import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collated, encode, encode_candidates
from stilts_utils.models.encoder import Encoder
from stilts_utils.scoring import metrics, retrieval
from stilts_utils.tasks import Task

CUT_WORDS = "cut_words"  # a score without items: words that have no token, in percent of all words


@contextmanager
def fast_attention(model: torch.nn.Module) -> Iterator[None]:
    """SDPA attention, if the model has it, for the block only: without gradients it is the fastest."""
    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa" if model._supports_sdpa else before)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.set_attn_implementation(before)


def decisions(model: heads.TaskModel, task: Task, rows: list[dict], encoded: Encoded, pad: int) -> list:
    """A model's decision for every row, in the rows' order."""
    with fast_attention(model.encoder):
        return heads.decode(task, rows, encoded, heads.run(model, collated(encoded, pad)))


def pooled_layers(encoder: Encoder, encoded: Encoded) -> np.ndarray:
    """Mean-pooled states of every layer, 0 the embeddings: (layers + 1, rows, hidden) float32."""
    pooled = np.empty((encoder.layers + 1, len(encoded), encoder.hidden), np.float32)

    def compute(batch: dict[str, torch.Tensor], _: int) -> list[np.ndarray]:
        inputs = heads.encoder_inputs(encoder.model, batch)
        states = encoder.model(**inputs, output_hidden_states=True).hidden_states
        return [heads.mean_pool(state, inputs["attention_mask"]).cpu().numpy() for state in states]

    with fast_attention(encoder.model):
        for rows, _, layers in heads.run(compute, collated(encoded, encoder.tokenizer.pad_token_id)):
            pooled[:, rows] = layers
    return pooled


class Evaluation:
    """The evaluation rows of one task in some languages, tokenised once and batched together.

    `rows` are by language, and for retrieval also `candidates`, with the columns of
    `columns.CANDIDATE_FEATURES`. Raises ValueError if candidates are missing, or one pool has two of the same id.

    `all_rows` are those of all languages, `encoded` their tokens and `places` each language's slice of them. For retrieval,
    `pools` are each language's candidates, `candidates` the tokens of every text once, and `texts` the place of each there.
    """

    def __init__(
        self,
        task: Task,
        rows: dict[str, list[dict]],
        encoder: Encoder,
        max_length: int,
        *,
        stride: int = 64,
        candidates: dict[str, list[dict]] | None = None,
    ):
        self.task, self.rows, self.encoder = task, rows, encoder
        self.all_rows = list(chain.from_iterable(rows.values()))
        self.encoded = encode(task, self.all_rows, encoder.tokenizer, max_length, stride=stride)
        ends = np.cumsum([len(of_language) for of_language in rows.values()]).tolist()
        self.places = {name: slice(end - len(rows[name]), end) for name, end in zip(rows, ends, strict=True)}
        self.pools, self.texts, self.candidates = {}, {}, Encoded([])
        if not task.trainable:
            if missing := [language for language in rows if language not in (candidates or {})]:
                raise ValueError(
                    f"candidates of {', '.join(missing)} are missing, allowed for {task.name}: those of every language of "
                    "rows; load them with sources.candidates"
                )
            self.pools = {language: retrieval.pool(task, candidates, language) for language in rows}
            # A candidate recurs in several pools: each is encoded once.
            unique = {(row["text"], row["context"]): row for pool in self.pools.values() for row in pool}
            self.texts = {text: i for i, text in enumerate(unique)}
            self.candidates = encode_candidates(list(unique.values()), encoder.tokenizer, max_length)

    @property
    def tokens(self) -> int:
        """Tokens of all rows and candidates without padding."""
        return self.encoded.tokens + self.candidates.tokens

    def of_model(self, model: heads.TaskModel, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score a trained model: the rows of `scores` and of `items` for a run (its key columns).

        In addition to the task's metrics, tagging has the score `cut_words`: the share of words, in percent, without a
        token, which are tagged O. It and macro F1 have no items.
        """
        pad = self.encoder.tokenizer.pad_token_id
        return self.of_decisions(decisions(model, self.task, self.all_rows, self.encoded, pad), **run)

    def of_decisions(self, decided: list, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score the decisions of a model, as `heads.decide` gives them, about all rows in their order."""
        scores, items = [], []
        for language, rows in self.rows.items():
            chosen = decided[self.places[language]]
            keys = {**run, "target": self.task.name, "language": language, "layer": self.encoder.layers}
            items.append(metrics.score_items(self.task, rows, chosen, language).assign(**keys))
            values = metrics.score(self.task, rows, chosen, language)
            if self.task.shape == "tagging":
                words = [word for row in self.encoded.words[self.places[language]] for word in row]
                values[CUT_WORDS] = 100 * words.count(None) / len(words)
            scores += [
                {**keys, "metric": metric, "score": value, "items": len(rows)} for metric, value in values.items()
            ]
        return pd.DataFrame(scores), pd.concat(items, ignore_index=True)

    def of_encoder(self, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score retrieval by every layer of the encoder as it is: the rows of `scores` and of `items`.

        Queries and candidates are compared by the cosine of mean-pooled states, as Tatoeba officially is, and no head
        is trained; LAReQA and Mewsli-X officially train one, and LAReQA compares by dot product.
        """
        scores, items = [], []
        targets = pooled_layers(self.encoder, self.candidates)
        queries = pooled_layers(self.encoder, self.encoded)
        for language, rows in self.rows.items():
            pool = self.pools[language]
            places = [self.texts[row["text"], row["context"]] for row in pool]
            for layer in range(len(queries)):
                vectors = queries[layer, self.places[language]], targets[layer, places]
                scored = retrieval.retrieval_items(self.task, rows, pool, *vectors)
                keys = {**run, "target": self.task.name, "language": language, "layer": layer}
                items.append(scored.assign(**keys))
                scores += [
                    {**keys, "metric": metric, "score": metrics.ratio(parts), "items": len(rows)}
                    for metric, parts in scored.groupby("metric", sort=False)
                ]
        return pd.DataFrame(scores), pd.concat(items, ignore_index=True)
