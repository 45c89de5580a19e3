"""A packed study: its numbers, its encoder cut to the tokens that occur, and its rows as token ids."""

import io
import json
import lzma
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from stilts_utils.cells.plan import Plan
from stilts_utils.cells.rows import Arrays
from stilts_utils.models import packed_weights
from stilts_utils.study import whole

ABOUT, ROWS, WEIGHTS, SHAPES = "about.json", "rows.npz.xz", "weights.npz", "quantised"


class Pack:
    """Reads a folder that `make.pack` wrote; the values of `about.json` are attributes of the same name."""

    pad: int  # token id
    sizes: dict  # of `stack.Shape`
    exits: tuple[int, ...]  # layers of the study's exits
    controls: tuple[str, ...]  # targets with a duration-matched control
    commit: str
    pieces: int  # token ids

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.plan = Plan.read(self.folder)
        for name, value in json.loads((self.folder / ABOUT).read_text(encoding="utf8")).items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)

    def weights(self) -> dict[str, torch.Tensor]:
        """The encoder's weights in float32."""
        return {name: torch.from_numpy(values) for name, values in read_weights(self.folder).items()}

    @cached_property
    def _stored(self) -> Arrays:
        with np.load(io.BytesIO(lzma.decompress((self.folder / ROWS).read_bytes())), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def rows(self, key: str) -> Arrays:
        """The arrays of some rows, see `rows.flatten`: `train/<task>/<stage>`, `test/<target>` and others."""
        return {
            name.removeprefix(f"{key}/"): values for name, values in self._stored.items() if name.startswith(f"{key}/")
        }

    def pools(self, target: str) -> dict[str, tuple[tuple[int, int], np.ndarray, np.ndarray]]:
        """By language of a retrieval target: first and past query, its candidates, and the right ones of a query."""
        arrays, pools = self.rows(f"pools/{target}"), {}
        for language in dict.fromkeys(name.split("/")[0] for name in arrays):
            queries, pool, right = (arrays[f"{language}/{part}"] for part in ("queries", "pool", "right"))
            pools[language] = tuple(queries.tolist()), pool, right
        return pools


def write_rows(stored: Arrays, folder: Path) -> None:
    raw = io.BytesIO()
    np.savez(raw, **stored)
    with whole.file(folder / ROWS) as temporary:
        temporary.write_bytes(lzma.compress(raw.getvalue(), preset=6))


def write_weights(weights: Arrays, folder: Path) -> None:
    """Float32 tensors, each in its smallest exact form, in a file that numpy reads."""
    stored, shapes = packed_weights.smallest(weights)
    with whole.file(folder / WEIGHTS) as temporary, temporary.open("wb") as file:
        np.savez(file, **stored, **{SHAPES: np.frombuffer(json.dumps(shapes).encode(), np.uint8)})


def read_weights(folder: Path) -> Arrays:
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    return packed_weights.exact(stored, json.loads(bytes(stored.pop(SHAPES))))
