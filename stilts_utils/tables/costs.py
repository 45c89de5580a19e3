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

    def rows(self) -> list[dict]:
        return [{"phase": self.phase, "run": self.run, "part": name, **row} for name, row in self._parts.items()]
