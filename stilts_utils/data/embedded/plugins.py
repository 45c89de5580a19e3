"""Rows that a plugin gives (`study.plugins.rows`), entered among the generated ones."""

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from weakref import WeakKeyDictionary

from stilts_utils.data.embedded.material.splits import SPLITS
from stilts_utils.data.embedded.sampling import Generator
from stilts_utils.study import plugins
from stilts_utils.study.validation import require
from stilts_utils.tasks import TRAINING_LANGUAGE, Task
from stilts_utils.tasks.entry import COLUMNS

FEWEST_ROWS = 20  # as of generated tasks


class Given:
    """Draws the rows of a function in their order; training rows as the seed shuffles them.

    Raises StudyError for rows without the columns of the task's shape, for too few rows of a split that is needed (test rows of
    a language, and all splits of English), and if a training row occurs in another split.
    """

    def __init__(self, entry: Task, function: Callable[[str, str], list[dict]]):
        self.entry, self.drawn = entry, WeakKeyDictionary()
        self.function = cache(lambda language, split: list(function(language, split)))

    def __contains__(self, language: str) -> bool:
        """Whether there are training rows in a language."""
        return bool(self.function(language, "train"))

    def rows(self, language: str, split: str) -> list[dict]:
        """The rows of a split, numbered if they have no ids. Those of validation are read in English alone."""
        split = "test" if language != TRAINING_LANGUAGE and split == "validation" else split
        found = [{"id": str(number)} | row for number, row in enumerate(self.function(language, split))]
        where, wanted = f"{split} rows in {language}", COLUMNS[self.entry.shape][0]
        for row in found:
            columns = ", ".join(sorted(wanted))
            require(wanted <= row.keys(), f"task {self.entry.name}: columns of {where}", sorted(row), columns)
        needed = split == "test" or language == TRAINING_LANGUAGE
        if found or (needed and any(self.function(language, each) for each in SPLITS)):
            enough = f"{FEWEST_ROWS} or more"
            require(len(found) >= FEWEST_ROWS, f"task {self.entry.name}: number of {where}", len(found), enough)
        return found

    def draw(self, language: str, split: str, outcome: object, rng: Random) -> dict | None:
        """The next row of one drawing, which its random numbers tell; None after the last."""
        if rng not in self.drawn:
            self.drawn[rng] = self._ordered(language, split, rng)
        return next(self.drawn[rng], None)

    def _ordered(self, language: str, split: str, rng: Random) -> Iterator[dict]:
        found = self.rows(language, split)
        if split == "train":
            scored = {_contents(row) for other in SPLITS[1:] for row in self.rows(language, other)}
            for row in found:
                where = f"task {self.entry.name}: training row"
                require(_contents(row) not in scored, where, row, "rows that are in no other split")
            found = rng.sample(found, len(found))
        return map(dict, found)


def _contents(row: dict) -> str:
    return repr(sorted((column, value) for column, value in row.items() if column != "id"))


def enter(drawn: dict, listed: dict, trained_in: dict) -> None:
    """Enter the rows of plugins, now and later, among generators, lists and the languages of training rows."""

    def one(entry: Task, function: Callable) -> None:
        given = Given(entry, function)
        if entry.trainable:
            drawn[entry.name], trained_in[entry.name] = Generator(given.draw), given
        else:
            listed[entry.name] = lambda language: given.rows(language, "test")

    plugins.each("rows", one)
