"""What the facts of a study ask for: its models, runs, timed processes, and the languages of its targets."""

from collections.abc import Iterable
from itertools import product

import pandas as pd

from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.study.methods import INTERMEDIATE
from stilts_utils.tasks import task

Tables = dict[str, pd.DataFrame]
Rows = Iterable[tuple]
RUN = ["intermediate", "duration", "seed"]


class Design:
    """What the facts of a study ask for."""

    def __init__(self, about: dict, tables: Tables):
        self.facts, self.depth, self.gaps = about["study"], about["encoder"]["layers"], about.get("gaps", ())
        self.timing, self.targets = self.facts["inference"], list(self.facts["targets"])
        self.timed, self.tables = "timed" in about, tables
        lacking = set(tables["lacking"][["target", "language"]].itertuples(index=False, name=None))
        self.pairs = {
            target: [name for name in self.facts["languages"] if (target, name) not in lacking]
            for target in self.targets
        }
        engines = tables["engines"]
        ran = engines[engines.reason == ""]
        self.ran = {
            number: list(rows.engine) for number, rows in ran.groupby("replicate")
        }  # machines differ in engines
        self.ran_with = {seed: list(rows.engine.unique()) for seed, rows in ran.groupby("seed")}

    def durations(self, arm: str) -> list[int]:
        return list(self.facts["intermediate"][arm]["durations"] or self.facts["durations"])

    def seeds(self, arm: str) -> list[int]:
        return list(
            (arm in self.facts["intermediate"] and self.facts["intermediate"][arm].get("seeds")) or self.facts["seeds"]
        )

    @property
    def models(self) -> list[tuple[str, int, int]]:
        """Every (arm, duration, seed), those of (none, 0) first, without the control."""
        arms = self.facts["intermediate"]
        every = [(PRETRAINED, 0), *((name, steps) for name in arms for steps in self.durations(name)[1:])]
        return [(*arm, seed) for arm in every for seed in self.seeds(arm[0])]

    @property
    def trajectories(self) -> list[str]:
        """Arms with a trajectory before any target; in older results all."""
        arms = self.facts["intermediate"]
        return [name for name in arms if arms[name].get("phase", INTERMEDIATE) == INTERMEDIATE]

    def scores(self, arm: str, target: str) -> bool:
        """Whether a target is scored from an arm; in older results all are."""
        own = self.facts["intermediate"].get(arm, {}).get("targets")
        return own is None or target in own

    @property
    def timed_seeds(self) -> list[int]:
        """Seeds that were timed: in older results the first ones, by turns."""
        return list(self.timing.get("seeds") or self.facts["seeds"][: self.timing["replicates"]])

    @property
    def numbers(self) -> list[int]:
        """Numbers of the processes."""
        if of_seeds := self.timing.get("processes"):
            return [number for numbers in of_seeds.values() for number in numbers]
        return list(range(self.timing["replicates"]))

    @property
    def timed_durations(self) -> list[int]:
        return self.durations(next(iter(self.facts["intermediate"])))

    def runs(self, target: str) -> Rows:
        """Every run that scores a target: intermediate, duration, seed."""
        controls = self.facts.get("controls")
        has = task(target).trainable and (controls is None or target in controls)
        models = [model for model in self.models if self.scores(model[0], target)]
        return [*models, *(product([CONTROL], self.facts["durations"][1:], self.facts["seeds"]) if has else [])]

    def of_targets(self) -> Rows:
        """(intermediate, duration, seed, target, language) of every score."""
        return [
            (*run, target, name) for target in self.targets for run in self.runs(target) for name in self.pairs[target]
        ]

    def processes(self) -> Rows:
        sizes = self.timing["batch_sizes"]
        return [(number, *one) for number in self.numbers for one in product(self.ran.get(number, ()), sizes)]

    def lacks(self, table: str, row: dict) -> bool:
        """Whether the provenance says that a row is lacking."""
        row = row | {"table": table}
        return any(gap.items() <= row.items() for gap in self.gaps)
