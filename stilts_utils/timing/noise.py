"""Other work of the machine while something is timed: its load, and the CPU time that others take."""

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from stilts_utils.models.hardware import cores

FOREIGN_LIMIT = 0.10  # share of the machine's CPU time that others may take before a timing counts as disturbed
STEAL_LIMIT = 0.05  # share that the hypervisor may take


def disturbed(noise: dict[str, float]) -> bool:
    """Whether others took so much of the machine, as `NoiseWatch` measured it, that a timing cannot be used."""
    return noise["foreign_share"] > FOREIGN_LIMIT or noise["steal_share"] > STEAL_LIMIT


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected inside the block, and none is left over from before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class NoiseWatch:
    """Measures, between `start` and `stop`, which shares of the machine's CPU time others took."""

    def start(self) -> "NoiseWatch":
        self.load = os.getloadavg()[0]
        self._began = time.perf_counter()
        self._system, self._before = psutil.cpu_times(), self._spent()
        return self

    @staticmethod
    def _spent() -> float:
        """CPU seconds of this process and of its children that have ended."""
        children = os.times()
        return time.process_time() + children.children_user + children.children_system

    def stop(self) -> dict[str, float]:
        """Shares in [0, 1] of the time of the cores that this process may use.

        `foreign_share` went to other processes, `steal_share` to the hypervisor.
        """
        wall = (time.perf_counter() - self._began) * cores()
        before, after = self._system, psutil.cpu_times()
        names = [name for name in ("user", "nice", "system", "irq", "softirq") if hasattr(after, name)]
        busy = sum(getattr(after, name) - getattr(before, name) for name in names)
        spent = self._spent() - self._before
        steal = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
        return {
            "foreign_share": min(1.0, max(0.0, (busy - spent) / wall)),
            "steal_share": min(1.0, max(0.0, steal / wall)),
            "load": self.load,
        }
