"""Zero-shot evaluation: decisions of a trained model, or retrieval over the layers of an encoder, in every language."""

import numpy as np
import pandas as pd
import torch

from stilts_utils import heads, scoring
from stilts_utils.batches import Encoded, collate, encode, encode_texts, inference_batches
from stilts_utils.encoder import Encoder
from stilts_utils.tasks import Task


def decisions(model: heads.TaskModel, task: Task, rows: list[dict], encoded: Encoded, pad: int) -> list:
    """A model's decision for every row, in the rows' order."""
    found: list = [None] * len(rows)
    with torch.inference_mode():
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
    with torch.inference_mode():
        for batch in inference_batches(encoded):
            inputs = collate(encoded, batch, encoder.tokenizer.pad_token_id)
            states = encoder.model(**inputs, output_hidden_states=True).hidden_states
            for layer, state in enumerate(states):
                pooled[layer, batch] = heads.mean_pool(state, inputs["attention_mask"]).numpy()
    return pooled


class Evaluation:
    """The evaluation rows of one task in some languages, tokenised once and batched together."""

    def __init__(self, task: Task, rows: dict[str, list[dict]], encoder: Encoder, max_length: int):
        self.task, self.rows, self.encoder, self.max_length = task, rows, encoder, max_length
        self._all = [row for found in rows.values() for row in found]
        self._encoded = encode(task, self._all, encoder.tokenizer, max_length)
        ends = np.cumsum([len(found) for found in rows.values()]).tolist()
        self._places = {
            language: slice(end - len(rows[language]), end) for language, end in zip(rows, ends, strict=True)
        }

    @property
    def tokens(self) -> int:
        return self._encoded.tokens

    def of_model(self, model: heads.TaskModel, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score a trained model: the rows of `scores` and of `items` for a run (its key columns)."""
        scores, items = [], []
        decided = decisions(model, self.task, self._all, self._encoded, self.encoder.tokenizer.pad_token_id)
        for language, rows in self.rows.items():
            found = decided[self._places[language]]
            keys = {**run, "target": self.task.name, "language": language, "layer": self.encoder.layers}
            items.append(scoring.score_items(self.task, rows, found).assign(**keys))
            scores += [
                {**keys, "metric": metric, "score": value, "items": len(rows)}
                for metric, value in scoring.score(self.task, rows, found).items()
            ]
        return pd.DataFrame(scores), pd.concat(items, ignore_index=True)

    def of_encoder(self, **run) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score retrieval by every layer of the encoder as it is: the rows of `scores` and of `items`."""
        items = []
        texts = sorted({row["target"] for row in self._all})
        place = {text: i for i, text in enumerate(texts)}  # candidates recur across languages: encode each once
        embedded = pooled_layers(self.encoder, encode_texts(texts, self.encoder.tokenizer, self.max_length))
        asked = pooled_layers(self.encoder, self._encoded)
        for language, rows in self.rows.items():
            queries = asked[:, self._places[language]]
            candidates = {row["target_id"]: place[row["target"]] for row in rows}
            order = {target_id: i for i, target_id in enumerate(candidates)}
            targets = embedded[:, list(candidates.values())]
            gold, ids = [order[row["target_id"]] for row in rows], [row["id"] for row in rows]
            keys = {**run, "target": self.task.name, "language": language}
            for layer in range(len(queries)):
                ranked = scoring.rank_items(queries[layer], targets[layer], gold, ids, self.task.metric)
                items.append(ranked.assign(**keys, layer=layer))
        frame = pd.concat(items, ignore_index=True)
        by = [*run, "target", "language", "layer", "metric"]
        scores = frame.groupby(by, sort=False).agg(score=("numerator", "mean"), items=("item", "size")).reset_index()
        return scores.assign(score=100 * scores["score"]), frame
