"""Tokenised rows as flat arrays: how they are stored, put on a device, and cut into batches there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from stilts_utils.batches import IGNORED, Encoded
from stilts_utils.seeds import stable_seed

WINDOW = 32  # batches within which rows are sorted by length
MULTIPLE = 8  # batches are padded to a multiple: attention and matrix products are quicker
Arrays = dict[str, np.ndarray]


def flatten(encoded: Encoded, shape: str, number: dict[int, int] | None = None) -> Arrays:
    """An `Encoded` of a task's shape as arrays; `number` renames token ids.

    `ids` and, for tagging, `tags` are flat over all tokens; `lengths` are those of the sequences, `counts` the sequences
    of every row; `gold` is a label of every row or the (start, end) of every sequence; `words` and `word_counts` give
    for every word the place of its token among all tokens, -1 for none; `inside` is where a span may lie in a sequence.
    """
    sequences = [sequence for row in encoded.sequences for sequence in row]
    ids = np.fromiter((i for sequence in sequences for i in sequence), np.int32)
    if number is not None:
        known = np.array(sorted(number), np.int32)
        ids = np.array([number[i] for i in known.tolist()], np.int32)[np.searchsorted(known, ids)]
    lengths = np.array([len(sequence) for sequence in sequences], np.int32)
    found = {"ids": ids, "lengths": lengths, "counts": np.array([len(row) for row in encoded.sequences], np.int32)}
    if shape in ("pair", "choice"):
        return found | {"gold": np.array(encoded.gold, np.int8)}
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
    first = np.concatenate([[0], np.cumsum(found["counts"])[:-1]]).astype(int)
    if shape == "tagging":
        tags, words = np.full(len(ids), IGNORED, np.int16), []
        for row, (places, gold) in enumerate(zip(encoded.words, encoded.gold, strict=True)):
            for place, tag in zip(places, gold, strict=True):
                words.append(-1 if place is None else begins[first[row] + place[0]] + place[1])
                if place is not None:
                    tags[words[-1]] = tag
        counts = np.array([len(row) for row in encoded.words], np.int32)
        return found | {"tags": tags, "words": np.array(words, np.int32), "word_counts": counts}
    if shape == "span":
        gold = np.array([span for row in encoded.gold for span in row], np.int16).reshape(-1, 2)
        inside = [_inside(offsets) for row in encoded.offsets for offsets in row]
        return found | {"gold": gold, "inside": np.array(inside, np.int16).reshape(-1, 2)}
    return found


def _inside(offsets: list) -> tuple[int, int]:
    """First place of a window's context and the one after its last; (0, 0) where it has none."""
    places = [i for i, span in enumerate(offsets) if span and span[1] > span[0]]
    return (places[0], places[-1] + 1) if places else (0, 0)


@dataclass
class Rows:
    """Rows on a device. `lengths` and `counts` stay with the host, which plans the batches."""

    lengths: np.ndarray
    counts: np.ndarray
    ids: torch.Tensor
    begins: torch.Tensor
    ends: torch.Tensor
    more: dict[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Arrays, device: str) -> "Rows":
        ends = np.cumsum(arrays["lengths"], dtype=np.int64)
        more = {name: values for name, values in arrays.items() if name in ("gold", "tags", "inside", "words")}
        return cls(
            arrays["lengths"],
            arrays["counts"],
            torch.from_numpy(arrays["ids"]).to(device),
            torch.from_numpy(ends - arrays["lengths"]).to(device),
            torch.from_numpy(ends).to(device),
            {name: torch.from_numpy(values).to(device, torch.int64) for name, values in more.items()},
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def choices(self) -> int:
        """Sequences of every row where all have as many, else 1: sequences are then trained on one by one."""
        return int(self.counts[0]) if (self.counts == self.counts[0]).all() else 1

    def places(self, sequences: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the tokens of some sequences (...) lie among all, and which are there: (..., length) each."""
        places = self.begins[sequences][..., None] + torch.arange(length, device=sequences.device)
        kept = places < self.ends[sequences][..., None]
        return places.clamp_(max=len(self.ids) - 1), kept

    def tokens(self, places: torch.Tensor, kept: torch.Tensor, pad: int) -> torch.Tensor:
        return torch.where(kept, self.ids[places], pad).long()

    def batches(self, budget: int) -> Iterator[tuple[torch.Tensor, int]]:
        """Numbers of sequences and their padded length, longest first, at most `budget` padded tokens a batch."""
        order = np.argsort(-self.lengths, kind="stable")
        device_order, at = torch.from_numpy(order).to(self.ids.device), 0
        while at < len(order):
            length = padded(self.lengths[order[at]])
            past = min(len(order), at + max(1, budget // length))
            yield device_order[at:past], length
            at = past


def padded(length: int) -> int:
    return -(-int(length) // MULTIPLE) * MULTIPLE


def training_batches(
    rows: Rows, name: str, seeds: list[int], batch_size: int, steps: int, stage: int = 0
) -> np.ndarray:
    """Row numbers (steps, seeds, batch size) of the batches of every seed; a piece or a window is a row of its own.

    As in `batches.training_order`, every epoch is shuffled and sorted by length within windows of some batches, and a
    batch that is not full is left out. What differs: a window has 32 batches and not 8, and at one step, the batches of
    all seeds have the same rank by length among those of the epoch, so that models of different seeds can be trained
    together with little padding.
    """
    widths = rows.lengths.reshape(-1, rows.choices).max(1)
    full = len(widths) // batch_size
    if not full:
        raise ValueError(f"batch_size is {batch_size}, allowed for the {len(widths)} rows of {name}: at most as many")
    found, epoch = [], 0
    while len(found) * full < steps:
        ranks = np.random.default_rng([stable_seed(name, "lengths", stage), epoch]).permutation(full)
        every = [_epoch(widths, batch_size, stable_seed(name, seed, "order", stage), epoch)[ranks] for seed in seeds]
        found.append(np.stack(every, axis=1))
        epoch += 1
    return np.concatenate(found)[:steps]


def _epoch(widths: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """The full batches of one epoch (batches, batch size), by ascending length."""
    order, window = np.random.default_rng([seed, epoch]).permutation(len(widths)), WINDOW * batch_size
    parts = [order[i : i + window] for i in range(0, len(order), window)]
    order = np.concatenate([part[np.argsort(widths[part], kind="stable")] for part in parts])
    batches = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
    return batches[np.argsort(widths[batches].max(1), kind="stable")]
