"""Rows to token batches: tokenising by a task's shape, length buckets for training, token budgets for inference."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch

from stilts_utils.models.windows import LONGEST_QUESTION, Offset, answer_tokens, frame_of, windows
from stilts_utils.tasks import Task

IGNORED = -100  # the class index that torch's cross-entropy skips
TOKEN_BUDGET = 2048  # a batch: measured to be fastest on CPUs, or as fast as any, for sequences of 20 to 384 tokens


@dataclass
class Encoded:
    """Tokenised rows. A row has one sequence, or one per choice, window or piece; `gold` is empty without answers.

    `sequences[i]` are the token ids of row i's sequences, and `types[i]` their token types; `types` is empty if all
    types are 0, a model's default. `gold[i]` is a class index (pair, choice), the tag index of
    every word (tagging), or the (start, end) token of the answer in every window, (0, 0) for none (span).
    `words[i]`: (sequence, position) of each word's first sub-token, None if the word has no token (tagging).
    `offsets[i]`: for every window the character span in the context of every token, None outside the context (span).
    """

    sequences: list[list[list[int]]]
    gold: list = field(default_factory=list)
    words: list[list[tuple[int, int] | None]] = field(default_factory=list)
    offsets: list[list[list[Offset]]] = field(default_factory=list)
    types: list[list[list[int]]] = field(default_factory=list)

    def __post_init__(self):
        if not any(any(sequence) for row in self.types for sequence in row):
            self.types = []

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def tokens(self) -> int:
        """Tokens of all rows without padding."""
        return sum(len(sequence) for row in self.sequences for sequence in row)


def encode(task: Task, rows, tokenizer, max_length: int, *, stride: int = 64, training: bool = False) -> Encoded:
    """Tokenise rows (a `datasets.Dataset` or a list of its rows) of a task; for retrieval, the queries.

    A sequence has at most `max_length` tokens. A span task's context that does not fit is read in windows that overlap
    by `stride` tokens, at most by half (the official code overlaps by about 240 of 384), and a question is cut after 64
    tokens, as there, or half of `max_length`. For `training`, every window is a row of its own. A tagging task's
    sentence that does not fit is read in pieces without overlap, as officially, so that no word is lost: in PAN-X, where
    every Chinese or Japanese character is a word and often two tokens, 128 tokens hold about 80 % of the words.

    Raises ValueError if a tokenizer cannot mark the words of a tagging task, or `max_length` is too short.
    """
    rows = list(rows)
    if task.shape == "span":
        return _encode_span(rows, tokenizer, max_length, stride, training)
    return _ENCODERS[task.shape](rows, tokenizer, max_length)


def _encode_pair(rows, tokenizer, max_length) -> Encoded:
    batch = tokenizer(
        [row["text_a"] for row in rows], [row["text_b"] for row in rows], truncation=True, max_length=max_length
    )
    return _grouped(batch, [1] * len(rows), gold=[row["label"] for row in rows])


def _encode_choice(rows, tokenizer, max_length) -> Encoded:
    questions = [row["question"] for row in rows for _ in row["choices"]]
    choices = [choice for row in rows for choice in row["choices"]]
    batch = tokenizer(questions, choices, truncation=True, max_length=max_length)
    return _grouped(batch, [len(row["choices"]) for row in rows], gold=[row["label"] for row in rows])


def _grouped(batch, counts: list[int], **fields) -> Encoded:
    """A tokenizer's sequences, `counts[i]` of them for row i."""

    def group(sequences):
        rest = iter(sequences)
        return [list(itertools.islice(rest, count)) for count in counts]

    return Encoded(group(batch["input_ids"]), types=group(batch.get("token_type_ids", [])), **fields)


@cache
def _space(tokenizer) -> str:
    """The text before second and later words with which a tokenizer reads words as it reads text: nothing or a space.

    Most mark the beginning of words by themselves; byte-level tokenizers do so with add_prefix_space=True. Without it
    they, like others for which the space is part of the word, need the space.
    """
    text = tokenizer("x x", add_special_tokens=False)["input_ids"]
    for space in ("", " "):
        words = tokenizer(["x", f"{space}x"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
        if words == text:
            return space
    raise ValueError(
        "tokenizer does not read words as it reads text, which tagging needs; load it with "
        "add_prefix_space=True if it is byte-level, or take another encoder"
    )


def _encode_tagging(rows, tokenizer, max_length) -> Encoded:
    space = _space(tokenizer)
    tokens = [[f"{space if i else ''}{token}" for i, token in enumerate(row["tokens"])] for row in rows]
    batch = tokenizer(
        tokens, is_split_into_words=True, truncation=True, max_length=max_length, return_overflowing_tokens=True
    )
    pieces: list[list[int]] = [[] for _ in rows]
    for number, i in enumerate(batch["overflow_to_sample_mapping"]):
        pieces[i].append(number)
    encoded = _grouped(batch, list(map(len, pieces)), gold=[row["tags"] for row in rows])
    for row, numbers in zip(rows, pieces, strict=True):
        first: dict[int, tuple[int, int]] = {}
        for piece, number in enumerate(numbers):
            for position, word in enumerate(batch.word_ids(number)):
                if word is not None:
                    first.setdefault(word, (piece, position))
        encoded.words.append([first.get(word) for word in range(len(row["tokens"]))])
    return encoded


def _encode_span(rows, tokenizer, max_length, stride, training) -> Encoded:
    frame, most = frame_of(tokenizer), min(LONGEST_QUESTION, max_length // 2)
    questions = tokenizer(
        [row["question"] for row in rows], add_special_tokens=False, truncation=True, max_length=most
    )["input_ids"]
    contexts = tokenizer(
        [row["context"] for row in rows], add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    grouped = []
    for row, question, context, offsets in zip(
        rows, questions, contexts["input_ids"], contexts["offset_mapping"], strict=True
    ):
        gold = answer_tokens(row["answers"], offsets)
        parts = list(windows(frame, question, context, offsets, gold, max_length, stride))
        grouped += [[part] for part in parts] if training else [parts]
    return Encoded(
        [[part.ids for part in parts] for parts in grouped],
        gold=[[part.gold for part in parts] for parts in grouped],
        offsets=[[part.offsets for part in parts] for parts in grouped],
        types=[[part.types for part in parts] for parts in grouped],
    )


def _encode_retrieval(rows, tokenizer, max_length) -> Encoded:
    return encode_texts([row["query"] for row in rows], tokenizer, max_length)


def encode_texts(texts: list[str], tokenizer, max_length: int) -> Encoded:
    """Tokenise single texts."""
    return _grouped(tokenizer(texts, truncation=True, max_length=max_length), [1] * len(texts))


def encode_candidates(rows: list[dict], tokenizer, max_length: int) -> Encoded:
    """Tokenise candidates of retrieval: a text alone, or with its context, if any, as the second sequence."""
    batches = [tokenizer(row["text"], row["context"] or None, truncation=True, max_length=max_length) for row in rows]
    types = [[batch.get("token_type_ids", [])] for batch in batches]
    return Encoded([[batch["input_ids"]] for batch in batches], types=types)


_ENCODERS = {
    "pair": _encode_pair,
    "choice": _encode_choice,
    "tagging": _encode_tagging,
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
        batches = []
        for first in range(0, len(order), 8 * batch_size):
            window = order[first : first + 8 * batch_size]
            window = window[np.argsort(lengths[window], kind="stable")]
            batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
        for i in random.permutation(len(batches)):
            if len(batches[i]) == batch_size or len(encoded) < batch_size:
                yield batches[i].tolist()


def inference_batches(encoded: Encoded, token_budget: int = TOKEN_BUDGET) -> Iterator[list[int]]:
    """Row indices in batches of at most `token_budget` padded tokens (at least one row), sorted by length."""
    batch, sequences = [], 0
    for i in sorted(range(len(encoded)), key=lambda i: _width(encoded, i)):
        more = len(encoded.sequences[i])
        if batch and (sequences + more) * _width(encoded, i) > token_budget:
            yield batch
            batch, sequences = [], 0
        batch.append(i)
        sequences += more
    if batch:
        yield batch


def collated(encoded: Encoded, pad: int) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """The inference batches of all rows: row indices, and the collated batch."""
    for rows in inference_batches(encoded):
        yield rows, collate(encoded, rows, pad)


def _width(encoded: Encoded, row: int) -> int:
    return max(map(len, encoded.sequences[row]))


def collate(encoded: Encoded, rows: list[int], pad: int) -> dict[str, torch.Tensor]:
    """Pad the sequences of some rows to tensors (sequences, length) int64.

    These are `input_ids`, `attention_mask` and, if there are types other than 0, `token_type_ids`. Raises ValueError if
    the tokenizer has no padding token.
    """
    if pad is None:
        raise ValueError(
            "pad_token_id of the tokenizer is None, allowed: a token's id; set pad_token in the tokenizer_config.json "
            "of the encoder's folder, or take another encoder"
        )
    columns = {"input_ids": _padded(encoded.sequences, rows, pad)}
    lengths = torch.tensor([len(sequence) for row in rows for sequence in encoded.sequences[row]])
    columns["attention_mask"] = (torch.arange(columns["input_ids"].shape[1]) < lengths[:, None]).long()
    if encoded.types:
        columns["token_type_ids"] = _padded(encoded.types, rows, 0)
    return columns


def _padded(column: list[list[list[int]]], rows: list[int], value: int) -> torch.Tensor:
    sequences = [torch.tensor(sequence) for row in rows for sequence in column[row]]
    return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=value)
