"""Rows to token batches: tokenising by a task's shape, length buckets for training, token budgets for inference."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from stilts_utils.tasks import Task

IGNORED = -100  # the class index that torch's cross-entropy skips


@dataclass
class Encoded:
    """Tokenised rows. A row has one sequence, or one per choice; `gold` is empty when rows carry no answer.

    `sequences[i]` are the token ids of row i's sequences. `gold[i]` is a class index (pair, choice), the tag index of
    every word (tagging), or the (start, end) token of the answer, (0, 0) for none (span).
    `words[i]`: position of each word's first sub-token, None where the length limit cut it (tagging).
    `offsets[i]`: character span in the context of every token, None outside the context (span).
    """

    sequences: list[list[list[int]]]
    gold: list = field(default_factory=list)
    words: list[list[int | None]] = field(default_factory=list)
    offsets: list[list[tuple[int, int] | None]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def tokens(self) -> int:
        """Tokens of all rows without padding."""
        return sum(len(sequence) for row in self.sequences for sequence in row)


def encode(task: Task, rows, tokenizer, max_length: int) -> Encoded:
    """Tokenise rows (a `datasets.Dataset` or a list of its rows) of a task."""
    rows = list(rows)
    return _ENCODERS[task.shape](rows, tokenizer, max_length)


def _encode_pair(rows, tokenizer, max_length) -> Encoded:
    ids = tokenizer(
        [row["text_a"] for row in rows], [row["text_b"] for row in rows], truncation=True, max_length=max_length
    )["input_ids"]
    return Encoded([[sequence] for sequence in ids], [row["label"] for row in rows])


def _encode_choice(rows, tokenizer, max_length) -> Encoded:
    questions = [row["question"] for row in rows for _ in row["choices"]]
    choices = [choice for row in rows for choice in row["choices"]]
    ids = iter(tokenizer(questions, choices, truncation=True, max_length=max_length)["input_ids"])
    return Encoded([[next(ids) for _ in row["choices"]] for row in rows], [row["label"] for row in rows])


def _encode_tagging(rows, tokenizer, max_length) -> Encoded:
    batch = tokenizer([row["tokens"] for row in rows], is_split_into_words=True, truncation=True, max_length=max_length)
    encoded = Encoded([[sequence] for sequence in batch["input_ids"]], [row["tags"] for row in rows])
    for i, row in enumerate(rows):
        first: dict[int, int] = {}
        for position, word in enumerate(batch.word_ids(i)):
            if word is not None:
                first.setdefault(word, position)
        encoded.words.append([first.get(word) for word in range(len(row["tokens"]))])
    return encoded


def _encode_span(rows, tokenizer, max_length) -> Encoded:
    batch = tokenizer(
        [row["question"] for row in rows],
        [row["context"] for row in rows],
        truncation="only_second",
        max_length=max_length,
        return_offsets_mapping=True,
    )
    encoded = Encoded([[sequence] for sequence in batch["input_ids"]])
    for i, row in enumerate(rows):
        second = batch.sequence_ids(i)
        spans = [span if which == 1 else None for span, which in zip(batch["offset_mapping"][i], second, strict=True)]
        encoded.offsets.append(spans)
        encoded.gold.append(_answer_tokens(row["answers"], spans))
    return encoded


def _answer_tokens(answers: dict, spans: list[tuple[int, int] | None]) -> tuple[int, int]:
    """First and last token of the first answer; (0, 0) where there is none or the length limit cut it."""
    if not answers["text"]:
        return 0, 0
    start = answers["answer_start"][0]
    end = start + len(answers["text"][0])
    inside = [i for i, span in enumerate(spans) if span and span[0] < end and span[1] > start]
    return (inside[0], inside[-1]) if inside and spans[inside[-1]][1] >= end else (0, 0)


def _encode_retrieval(rows, tokenizer, max_length) -> Encoded:
    return encode_texts([row["query"] for row in rows], tokenizer, max_length)


def encode_texts(texts: list[str], tokenizer, max_length: int) -> Encoded:
    """Tokenise single texts."""
    return Encoded([[ids] for ids in tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]])


_ENCODERS = {
    "pair": _encode_pair,
    "choice": _encode_choice,
    "tagging": _encode_tagging,
    "span": _encode_span,
    "retrieval": _encode_retrieval,
}


def training_order(encoded: Encoded, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Row indices of one batch after another, for ever.

    Every epoch is shuffled, then sorted by length within windows of 8 batches, so that a batch pads little.
    """
    if not len(encoded):
        raise ValueError("rows is empty, allowed: at least one training row; look at the source's training split")
    random = np.random.default_rng(seed)
    lengths = np.array([_width(encoded, i) for i in range(len(encoded))])
    while True:
        order = random.permutation(len(encoded))
        windows = [order[i : i + 8 * batch_size] for i in range(0, len(order), 8 * batch_size)]
        batches = []
        for window in windows:
            window = window[np.argsort(lengths[window], kind="stable")]
            batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
        for i in random.permutation(len(batches)):
            if len(batches[i]) == batch_size or len(encoded) < batch_size:
                yield batches[i].tolist()


def inference_batches(encoded: Encoded, token_budget: int = 4096) -> Iterator[list[int]]:
    """Row indices in batches of at most `token_budget` padded tokens (at least one row), sorted by length."""
    batch: list[int] = []
    for i in sorted(range(len(encoded)), key=lambda i: _width(encoded, i)):
        if batch and (len(batch) + 1) * len(encoded.sequences[i]) * _width(encoded, i) > token_budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _width(encoded: Encoded, row: int) -> int:
    return max(map(len, encoded.sequences[row]))


def collate(encoded: Encoded, rows: list[int], pad: int) -> dict[str, torch.Tensor]:
    """Pad the sequences of some rows: `input_ids` and `attention_mask`, each (sequences, length) int64."""
    sequences = [sequence for row in rows for sequence in encoded.sequences[row]]
    length = max(map(len, sequences))
    ids = torch.full((len(sequences), length), pad, dtype=torch.int64)
    mask = torch.zeros((len(sequences), length), dtype=torch.int64)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence)
        mask[i, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask}
