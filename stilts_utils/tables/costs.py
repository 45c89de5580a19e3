"""What a run spends its time on: one row per named part, in seconds."""

import time
from contextlib import contextmanager


class Costs:
    """Collects the rows of the `costs` table for one run."""

    def __init__(self, phase: str, run: str):
        self.phase, self.run = phase, run
        self._parts: dict[str, dict] = {}

    @contextmanager
    def part(self, name: str):
        """Time a part; parts of the same name add up. Yields the row, whose `steps` and `tokens` may be raised."""
        row = self._parts.setdefault(name, {"seconds": 0.0, "steps": 0, "tokens": 0})
        began = time.perf_counter()
        try:
            yield row
        finally:
            row["seconds"] += time.perf_counter() - began

    def of(self, name: str) -> dict:
        """Seconds, steps and tokens of a part so far."""
        return dict(self._parts[name])

    def another(self) -> "Costs":
        """An empty account of the same run."""
        return Costs(self.phase, self.run)

    def add(self, rows: list[dict]) -> None:
        """Take in the rows of another account of the run."""
        for row in rows:
            own = self._parts.setdefault(row["part"], {"seconds": 0.0, "steps": 0, "tokens": 0})
            for name in own:
                own[name] += row[name]

    def rows(self) -> list[dict]:
        return [{"phase": self.phase, "run": self.run, "part": name, **row} for name, row in self._parts.items()]
