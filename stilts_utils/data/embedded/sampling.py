"""Draw the rows of a split: reproducible, balanced and without repetition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

SIZES = {"train": 5000, "validation": 500, "test": 500}  # the most rows of a split
PATIENCE = 300  # draws in a row without a new row, after which a split counts as exhausted

Draw = Callable[[str, str, object, Random], dict | None]


@dataclass(frozen=True)
class Generator:
    """`draw(language, split, outcome, rng)` makes one row, or None if this draw does not give one.

    `outcomes`, such as the labels, are drawn in equal shares before and outside any rejection: otherwise those that are
    rejected less often would take over.
    """

    draw: Draw
    outcomes: Sequence[object] = (None,)


def draw_rows(generator: Generator, task: str, language: str, split: str, seed: int, limit: int | None) -> list[dict]:
    """The first `limit` rows of a split (None: all), the same in every process.

    Only training rows depend on the seed: evaluation has the same items in every run. No two rows have the same
    contents; in evaluation also no two are about the same underlying item, which the first part of the id names.
    """
    rng = Random(f"{task}/{language}/{split}/{seed if split == 'train' else 'every seed'}")
    size = SIZES[split] if limit is None else min(limit, SIZES[split])
    rows: list[dict] = []
    seen: set[str] = set()
    while len(rows) < size:
        for outcome in rng.sample(generator.outcomes, len(generator.outcomes)):
            row = _new_row(generator, language, split, outcome, rng, seen)
            if row is None:
                return rows
            row["id"] = f"{row['id']}#{len(rows)}"
            rows.append(row)
    return rows[:size]


def _new_row(
    generator: Generator, language: str, split: str, outcome: object, rng: Random, seen: set[str]
) -> dict | None:
    for _ in range(PATIENCE):
        row = generator.draw(language, split, outcome, rng)
        if row is None:
            continue
        contents = repr({column: value for column, value in row.items() if column != "id"})
        marks = {contents} if split == "train" else {contents, row["id"]}
        if marks.isdisjoint(seen):
            seen |= marks
            return row
    return None
