"""Zero-shot evaluation: decisions of a trained model, or retrieval over the layers of an encoder, in every language."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from stilts_utils import heads, scoring
from stilts_utils.batches import Encoded, collate, encode, encode_candidates, inference_batches
from stilts_utils.encoder import Encoder
from stilts_utils.tasks import Task

CUT_WORDS = "cut_words"  # a score without items: words that have no token, in percent of all words


@contextmanager
def fast_attention(model: torch.nn.Module) -> Iterator[None]:
    """SDPA attention where the model has it, and then again what it had: without gradients it is the faster one."""
    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa" if model._supports_sdpa else before)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.set_attn_implementation(before)


def decisions(model: heads.TaskModel, task: Task, rows: list[dict], encoded: Encoded, pad: int) -> list:
    """A model's decision for every row, in the rows' order."""
    found: list = [None] * len(rows)
    with fast_attention(model.encoder):
        for batch in inference_batches(encoded):
            logits = model(collate(encoded, batch, pad), len(batch))
            for row, decision in zip(
                batch, heads.decide(task, logits, encoded, batch, [rows[i] for i in batch]), strict=True
            ):
                found[row] = decision
    return found


def pooled_layers(encoder: Encoder, encoded: Encoded) -> np.ndarray:
    """Mean-pooled states of every layer, 0 the embeddings: (layers + 1, rows, hidden) float32."""
    pooled = np.empty((encoder.layers + 1, len(encoded), encoder.hidden), np.float32)
    with fast_attention(encoder.model):
        for batch in inference_batches(encoded):
            inputs = heads.encoder_inputs(encoder.model, collate(encoded, batch, encoder.tokenizer.pad_token_id))
            states = encoder.model(**inputs, output_hidden_states=True).hidden_states
            for layer, state in enumerate(states):
                pooled[layer, batch] = heads.mean_pool(state, inputs["attention_mask"]).cpu().numpy()
    return pooled


class Evaluation:
    """The evaluation rows of one task in some languages, tokenised once and batched together.

    `rows` are those of every language; for retrieval `candidates` are, too, with the columns of
    `Task.candidate_features`. Raises ValueError where candidates are missing, or one pool has two of the same id.
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
        self.all_rows = [row for found in rows.values() for row in found]
        self.encoded = encode(task, self.all_rows, encoder.tokenizer, max_length, stride=stride)
        ends = np.cumsum([len(found) for found in rows.values()]).tolist()
        self.places = {
            language: slice(end - len(rows[language]), end) for language, end in zip(rows, ends, strict=True)
        }
        self.pools, self.texts, self.candidates = {}, {}, Encoded([])
        if not task.trainable:
            lacking = [language for language in rows if language not in (candidates or {})]
            if lacking:
                raise ValueError(
                    f"candidates lack {', '.join(lacking)}, allowed for {task.name}: those of every language of rows; "
                    "load them with sources.candidates"
                )
            self.pools = {language: scoring.pool(task, candidates, language) for language in rows}
            # A candidate recurs in several pools: each is encoded once.
            found = {(row["text"], row["context"]): row for pool in self.pools.values() for row in pool}
            self.texts = {text: i for i, text in enumerate(found)}
            self.candidates = encode_candidates(list(found.values()), encoder.tokenizer, max_length)

    @property
    def tokens(self) -> int:
        """Tokens of all rows and candidates without padding."""
        return self.encoded.tokens + self.candidates.tokens

    def of_model(self, model: heads.TaskModel, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score a trained model: the rows of `scores` and of `items` for a run (its key columns).

        Beside the task's metrics, tagging has the score `cut_words`: the share of words, in percent, of which the
        tokenizer makes nothing, and which are tagged O. It and macro F1 have no items.
        """
        pad = self.encoder.tokenizer.pad_token_id
        return self.of_decisions(decisions(model, self.task, self.all_rows, self.encoded, pad), **run)

    def of_decisions(self, decided: list, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score the decisions of a model, as `heads.decide` gives them, about all rows in their order."""
        scores, items = [], []
        for language, rows in self.rows.items():
            found = decided[self.places[language]]
            keys = {**run, "target": self.task.name, "language": language, "layer": self.encoder.layers}
            items.append(scoring.score_items(self.task, rows, found, language).assign(**keys))
            values = scoring.score(self.task, rows, found, language)
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
                asked = queries[layer, self.places[language]]
                found = scoring.retrieval_items(self.task, rows, pool, asked, targets[layer, places])
                keys = {**run, "target": self.task.name, "language": language, "layer": layer}
                items.append(found.assign(**keys))
                scores += [
                    {**keys, "metric": metric, "score": scoring.ratio(own), "items": len(rows)}
                    for metric, own in found.groupby("metric", sort=False)
                ]
        return pd.DataFrame(scores), pd.concat(items, ignore_index=True)
