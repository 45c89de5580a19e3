"""How fast a device trains and evaluates, in operations per second: measured here, or its peak times a share."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from stilts_utils.models import hardware
from stilts_utils.study.sizes import Sizes
from stilts_utils.timing import noise

HERE = "here"
UTILISATION = 0.35
BUSY = 0.1  # share of the machine that others may take while it is measured, without a word
LAUNCH = 0.002  # of a GPU, to launch the some hundred kernels of a layer's forward, backward and optimizer step
# Dense matrix operations per second with 16-bit inputs and 32-bit sums, from NVIDIA's data sheets.
PEAKS = {
    "t4": 65e12,  # float16
    "v100": 125e12,  # float16
    "a10": 125e12,
    "l4": 121e12,
    "a100": 312e12,
    "h100": 989e12,  # SXM
    "h200": 989e12,
}


@dataclass(frozen=True)
class Device:
    """Operations per second of training steps, optimizer included, and of forward passes.

    `launch`: seconds that a training step takes at least for each layer, however little there is to compute.
    """

    name: str
    training: float
    forward: float
    launch: float = 0.0


def named(name: str, utilisation: float = UTILISATION) -> Device:
    """A device of the table at a stated share of its peak (model FLOPs utilisation, Chowdhery et al. 2022, appendix B).

    Raises ValueError for an unknown name or a share outside 0 to 1.
    """
    if name not in PEAKS:
        raise ValueError(f"device is {name!r}, allowed: {HERE}, {', '.join(PEAKS)}")
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is {utilisation}, allowed: above 0, to 1")
    rate = utilisation * PEAKS[name]
    title = f"{name} at {utilisation:.0%} of its peak of {PEAKS[name] / 1e12:.0f} TFLOP/s"
    return Device(title, rate, rate, LAUNCH)


def measure(sizes: Sizes, rows: int, length: int, seconds: float) -> Device:
    """This machine, from real steps of one layer of the encoder's width, for about `seconds`.

    Training takes batches of `rows` sequences of `length` tokens, AdamW in float32 included, which small batches make
    a large part of; forward passes take 4096 tokens.

    Raises ValueError if `seconds` is not above 0.
    """
    import torch

    if seconds <= 0:
        raise ValueError(f"measure is {seconds}, allowed: above 0 seconds")
    precision = hardware.training_precision()
    where = hardware.device()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    layer = torch.nn.TransformerEncoderLayer(
        sizes.hidden, max(1, sizes.hidden // 64), sizes.intermediate, 0.0, "gelu", batch_first=True
    ).to(where, dtype)
    compute = list(layer.parameters())
    weights = [parameter.detach().float().clone().requires_grad_() for parameter in compute]
    optimizer = torch.optim.AdamW(weights, lr=1e-6, fused=True)
    few, many = (
        torch.randn(count, length, sizes.hidden, device=where, dtype=dtype) for count in (rows, -(-4096 // length))
    )

    def step():
        layer(few).float().square().mean().backward()
        for weight, parameter in zip(weights, compute, strict=True):
            weight.grad, parameter.grad = parameter.grad.float(), None
        optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(compute, weights)

    def forward():
        with torch.inference_mode():
            layer(many)

    one = Sizes(**vars(sizes) | {"layers": 1})
    watch = noise.NoiseWatch().start()
    wait = torch.cuda.synchronize if where == "cuda" else lambda: None
    trained = one.training(rows * length, length) * _rate(step, wait, seconds / 2)
    layer.eval()
    passed = one.forward(len(many) * length, length) * _rate(forward, wait, seconds / 2)
    others = watch.stop()["foreign_share"]
    machine = f"{hardware.cpu_name()}, {hardware.cores()} cores" if where == "cpu" else hardware.device_name()
    title = f"this machine ({machine}, {precision})"
    if others > BUSY:
        title += f", of which other processes took {others:.0%} meanwhile,"
    return Device(title, trained, passed)


def _rate(work: Callable, wait: Callable, seconds: float) -> float:
    """Calls per second, after one call that does not count."""
    work()
    wait()
    began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < seconds:
        work()
        wait()
        count += 1
    return count / (time.perf_counter() - began)
