"""The machine that models run on: its CPU, GPU, and the precisions that it computes in."""

import os
import platform


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
    """The CPU's bfloat16 matrix instructions, or None if it has none and bfloat16 would be emulated."""
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
    """The device that models run on: `cuda` if torch sees a GPU, otherwise `cpu`."""
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
    """`bf16` if the device has instructions for it, otherwise `fp32`."""
    return "bf16" if bf16_arithmetic() else "fp32"
