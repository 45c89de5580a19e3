"""A packed study: its file, its encoder cut to the tokens that occur, and its rows as token ids."""

import io
import json
import lzma
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from stilts_utils import storage
from stilts_utils.cells.rows import Arrays
from stilts_utils.study import Study

ABOUT, ROWS = "about.json", "rows.npz.xz"


class Pack:
    """Reads a folder that `make.pack` wrote; what `about.json` says is in attributes of the same name."""

    pad: int  # token id
    sizes: dict  # of `stack.Shape`
    exits: tuple[int, ...]  # layers of the study's exits
    controls: tuple[str, ...]  # targets with a duration-matched control
    commit: str

    def __init__(self, folder: Path | str, study: Path | str | None = None):
        """`study`: a file that differs in steps, durations or seeds from the one packed."""
        self.folder = Path(folder)
        file = Path(study) if study else next(self.folder.glob("*.yaml"))
        self.study = Study.load(file.resolve())
        for name, value in json.loads((self.folder / ABOUT).read_text(encoding="utf8")).items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)

    def weights(self) -> dict[str, torch.Tensor]:
        """The encoder's weights in float32."""
        return {name: torch.from_numpy(values) for name, values in storage.unpack(self.folder / storage.FILE).items()}

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
        """Of every language of a retrieval target: first and past query, its candidates, and the right ones of a query."""
        found = self.rows(f"pools/{target}")
        languages = dict.fromkeys(name.split("/")[0] for name in found)
        return {of: (tuple(found[f"{of}/own"].tolist()), found[f"{of}/pool"], found[f"{of}/right"]) for of in languages}


def write_rows(stored: Arrays, folder: Path) -> None:
    raw = io.BytesIO()
    np.savez(raw, **stored)
    (folder / ROWS).write_bytes(lzma.compress(raw.getvalue(), preset=6))
