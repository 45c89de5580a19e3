"""What the machine is and what else it does: CPU, precision, load, and the CPU time that others take."""

import os
import platform
import time

import psutil


def cpu_name() -> str:
    """The CPU's name as the system gives it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bf16_instructions() -> str | None:
    """The CPU's bfloat16 matrix instructions, or None when it has none and bfloat16 would be emulated."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    for name in ("amx_bf16", "avx512_bf16", "bf16"):
        if capabilities.get(name):
            return name
    return None


def int8_instructions() -> bool:
    """Whether the CPU adds int8 products in 32 bits (VNNI, AMX, Arm's dot product) and not, saturating, in 16."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"))


def device() -> str:
    """Where models run: `cuda` where torch sees a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The GPU's name, or CPU."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def bf16_arithmetic() -> bool:
    """Whether the device computes in bfloat16 itself."""
    import torch

    return torch.cuda.is_bf16_supported() if torch.cuda.is_available() else bf16_instructions() is not None


def training_precision() -> str:
    """`bf16` where the device has instructions for it, else `fp32`."""
    return "bf16" if bf16_arithmetic() else "fp32"


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
