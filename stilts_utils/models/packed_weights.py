"""Weights in the smallest form that gives the same float32 bits back, in one safetensors file.

A matrix that was dequantised from Q4_0 blocks (32 weights, one float16 scale: what the packaged encoder is made from)
goes back into them; a tensor that float16 holds exactly is stored in float16; any other in float32.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

FILE, FULL = "packed.safetensors", "model.safetensors"
BLOCK = 32
EXTREMES = (-8, 7, -7, 6, -6, 5, -5, 4, -4, 3, -3, 2, -2, 1, -1)  # four-bit values that a block's largest may be


def same_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether float32 values are the same bit for bit, 0 and -0 apart."""
    return a.view(np.uint32) == b.view(np.uint32)


def quantised(weights: np.ndarray) -> dict[str, np.ndarray] | None:
    """Scales (blocks,) float16 and nibbles (blocks, 16) uint8 of a float32 tensor, or None if it has no such form.

    A block's scale is sought from its largest weight, which is some four-bit value times it. Low nibbles are weights
    0-15 of a block, high nibbles 16-31.
    """
    if weights.ndim < 2 or weights.size % BLOCK:
        return None
    blocks = np.ascontiguousarray(weights).reshape(-1, BLOCK)
    largest = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(1)]
    # A block of nothing but 0 and -0 has the scale 0, times a value below 8 for -0.
    scales, values = np.zeros(len(blocks), np.float16), np.where(np.signbit(blocks), 0, 8).astype(np.uint8)
    left = np.flatnonzero(~same_bits(dequantised(scales, values), blocks).all(1))
    for extreme in EXTREMES:
        with np.errstate(over="ignore"):
            scale = (largest[left] / extreme).astype(np.float16)
        usable = np.isfinite(scale) & (scale != 0)
        left_usable, scale = left[usable], scale[usable]
        value = np.clip(np.rint(blocks[left_usable] / scale.astype(np.float32)[:, None]) + 8, 0, 15).astype(np.uint8)
        fits = same_bits(dequantised(scale, value), blocks[left_usable]).all(1)
        scales[left_usable[fits]], values[left_usable[fits]] = scale[fits], value[fits]
        left = np.setdiff1d(left, left_usable[fits], assume_unique=True)
        if not len(left):
            return {"scales": scales, "nibbles": values[:, :16] | values[:, 16:] << 4}
    return None


def dequantised(scales: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights (blocks, 32) float32 of scales (blocks,) and four-bit values (blocks, 32)."""
    return (values.astype(np.float32) - 8) * scales.astype(np.float32)[:, None]


def smallest(tensors: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """Float32 tensors, each in its smallest exact form, and the shapes of those in Q4_0 blocks: see `exact`."""
    stored, shapes = {}, {}
    for name, weights in tensors.items():
        if parts := quantised(weights):
            shapes[name] = weights.shape
            stored |= {f"{name}.{part}": values for part, values in parts.items()}
            continue
        with np.errstate(over="ignore"):
            half = weights.astype(np.float16)
        stored[name] = half if same_bits(half.astype(np.float32), np.ascontiguousarray(weights)).all() else weights
    return stored, shapes


def exact(stored: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The float32 tensors that `smallest` was given."""
    stored, tensors = dict(stored), {}
    for name, shape in shapes.items():
        scales, nibbles = stored.pop(f"{name}.scales"), stored.pop(f"{name}.nibbles")
        tensors[name] = dequantised(scales, np.concatenate([nibbles & 15, nibbles >> 4], axis=1)).reshape(shape)
    return tensors | {name: weights.astype(np.float32) for name, weights in stored.items()}


def pack(tensors: dict[str, np.ndarray], folder: Path) -> Path:
    """Write float32 tensors into `folder/packed.safetensors`, each in its smallest exact form."""
    from safetensors.numpy import save_file

    stored, shapes = smallest(tensors)
    save_file(stored, folder / FILE, metadata={"quantised": json.dumps(shapes)})
    return folder / FILE


def unpack(file: Path) -> dict[str, np.ndarray]:
    """The float32 tensors of a packed file."""
    from safetensors import safe_open
    from safetensors.numpy import load_file

    with safe_open(file, framework="np") as opened:
        shapes = json.loads(opened.metadata()["quantised"])
    return exact(load_file(file), shapes)


def restore(packed: Path, folder: Path) -> None:
    """Copy a folder with packed weights to one that `transformers` loads."""
    from safetensors.numpy import save_file

    for file in packed.iterdir():
        if file.name != FILE:
            shutil.copy(file, folder)
    save_file(unpack(packed / FILE), folder / FULL, metadata={"format": "pt"})


def digest(packed: Path) -> str:
    """A name for the contents of a folder with packed weights."""
    return hashlib.sha256((packed / FILE).read_bytes()).hexdigest()[:12]
