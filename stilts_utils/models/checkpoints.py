"""Checkpoints: the weights that training changed, as safetensors with a fingerprint of their origin.

The frozen word embeddings are stored once, with the pretrained encoder.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stilts_utils.study import whole

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Weights = dict[str, torch.Tensor]
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Stored:
    """A checkpoint's files, in the order in which they are looked for, and the fingerprint of what it was made from.

    It is written to the first: the others belong to a study, and are only read.
    """

    files: tuple[Path, ...]
    made_from: str

    def save(self, weights: Weights) -> Path:
        """Write weights, whole or not at all."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        with whole.file(self.files[0], shared=True) as temporary:
            save_file(tensors, temporary, metadata={"made_from": self.made_from})
        return self.files[0]

    def load(self) -> Weights | None:
        """The weights in the first file that was made from the same, or None if there is none."""
        for file in self.files:
            if file.is_file() and (stored := _read(file, self.made_from)) is not None:
                return stored
        return None

    def there(self) -> bool:
        """Whether a file was made from the same; its tensors are not read."""
        return any(file.is_file() and _read(file, self.made_from, tensors=False) is not None for file in self.files)

    def load_or_make(self, name: str, make: Callable[[], Weights]) -> Weights:
        """The stored weights or, with a line that says so, made anew."""
        stored = self.load()
        if stored is None:
            print(f"no stored {name}: training it now")
            stored = make()
        return stored


def fingerprint(*parts) -> str:
    """A digest of everything that a checkpoint depends on."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def _read(file: Path, made_from: str, tensors: bool = True) -> Weights | None:
    try:
        with safe_open(file, framework="pt") as stored:
            if (stored.metadata() or {}).get("made_from") != made_from:
                return None
            return {name: stored.get_tensor(name) for name in stored.keys() if tensors}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:  # a power cut can leave a file that was renamed and not yet written
        print(f"{file.name} cannot be read ({error}); it is made again")
        return None


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
