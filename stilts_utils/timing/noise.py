"""What the machine is and what else it does: CPU, precision, load, and the CPU time that others take."""

import os
import time

import psutil

from stilts_utils.models.hardware import cores

FOREIGN_LIMIT = 0.10  # share of the machine's CPU time that others may take before a timing counts as disturbed

STEAL_LIMIT = 0.05  # that the hypervisor may


def disturbed(noise: dict[str, float]) -> bool:
    """Whether others took so much of the machine, by what `NoiseWatch` found, that a timing cannot be used."""
    return noise["foreign_share"] > FOREIGN_LIMIT or noise["steal_share"] > STEAL_LIMIT


class NoiseWatch:
    """Measures, between `start` and `stop`, which shares of the machine's CPU time others took."""

    def start(self) -> "NoiseWatch":
        self.load = os.getloadavg()[0]
        self._began = time.perf_counter()
        self._system, self._own = psutil.cpu_times(), self._spent()
        return self

    @staticmethod
    def _spent() -> float:
        """CPU seconds of this process and of those it started that have ended."""
        children = os.times()
        return time.process_time() + children.children_user + children.children_system

    def stop(self) -> dict[str, float]:
        """Shares in [0, 1] of the time of the cores that this process may use.

        `foreign_share` is what other processes took, `steal_share` what the hypervisor took.
        """
        wall = (time.perf_counter() - self._began) * cores()
        before, after = self._system, psutil.cpu_times()
        names = [name for name in ("user", "nice", "system", "irq", "softirq") if hasattr(after, name)]
        busy = sum(getattr(after, name) - getattr(before, name) for name in names)
        own = self._spent() - self._own
        steal = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
        return {
            "foreign_share": min(1.0, max(0.0, (busy - own) / wall)),
            "steal_share": min(1.0, max(0.0, steal / wall)),
            "load": self.load,
        }
