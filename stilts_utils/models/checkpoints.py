"""Checkpoints: the weights that training changed, as safetensors with a fingerprint of their origin.

The frozen word embeddings are stored once, with the pretrained encoder.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stilts_utils.study import whole
from stilts_utils.study.study import Study

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Weights = dict[str, torch.Tensor]
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny


def fingerprint(*parts) -> str:
    """A digest of everything that a checkpoint depends on, except the code."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def save(weights: Weights, file: Path, made_from: str) -> Path:
    """Write weights, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with whole.file(file) as temporary:
        save_file(tensors, temporary, metadata={"made_from": made_from})
    return file


def load_or_make(file: Path, made_from: str, name: str, make: Callable[[], Weights]) -> Weights:
    """The weights in a file or, with a line that says so, made anew."""
    stored = load(file, made_from)
    if stored is None:
        print(f"no stored {name}: training it now")
        stored = make()
    return stored


def load(file: Path, made_from: str) -> Weights | None:
    """The weights in a file, or None if there are none or they were made from something else."""
    if not file.is_file():
        return None
    try:
        return _read(file, made_from)
    except SafetensorError as error:  # a power cut can leave a file that was renamed and not yet written
        print(f"{file.name} cannot be read ({error}); it is made again")
        return None


def _read(file: Path, made_from: str) -> Weights | None:
    with safe_open(file, framework="pt") as stored:
        if (stored.metadata() or {}).get("made_from") != made_from:
            return None
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping


def path(study: Study, intermediate: str, duration: int, seed: int, target: str | None = None) -> Path:
    """Where a checkpoint of the intermediate phase is kept, or that of a target fine-tuned from it."""
    return study.folder / "checkpoints" / (target or "intermediate") / f"{intermediate}-{duration}-s{seed}.safetensors"


def subnormals(weights: Weights) -> int:
    """How many weights are subnormal in float32, on which arithmetic can be several times slower."""
    return int(sum(((w != 0) & (w.abs() < SMALLEST_NORMAL)).sum() for w in weights.values()))


def distance(weights: Weights, reference: Weights) -> float:
    """Relative L2 distance of weights from reference weights."""
    change = sum(
        (weights[name].detach() - w.to(weights[name].device)).double().pow(2).sum() for name, w in reference.items()
    )
    return float(change / sum(w.double().pow(2).sum() for w in reference.values()).to(change.device)) ** 0.5


def snapshot(parameters: dict) -> Weights:
    """A float32 copy of named parameters, which later training does not change."""
    return {name: parameter.detach().float().clone() for name, parameter in parameters.items()}


def copy_into(parameters: dict, weights: Weights) -> None:
    """Copy weights into parameters in place, converting to the parameters' type."""
    with torch.no_grad():
        torch._foreach_copy_(list(parameters.values()), [weights[name] for name in parameters])
