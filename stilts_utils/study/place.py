"""Where a run keeps what it makes: tables, checkpoints, logs.

A run of a study writes below `runs/<study>`. A notebook that is run by hand writes below `runs/lab`, in a folder named by
its parameters, and only reads what the study has: nothing that was made by hand ever feeds a study.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require

LAB = "runs/lab"
LONGEST = 120  # characters of a folder's name; a name may have 255 bytes on most file systems


@dataclass(frozen=True)
class Place:
    """The folder of one run of a phase. Checkpoints are looked for in `checkpoints`, and written to the first of them."""

    phase: str
    parameters: dict
    folder: Path
    checkpoints: tuple[Path, ...]

    @property
    def run(self) -> str:
        return self.folder.name

    @property
    def tables(self) -> Path:
        return self.folder / "tables"

    @property
    def kept(self) -> Path:
        """Results of parts of the run, beside the checkpoints: not among the tables, which hold them again."""
        return self.checkpoints[0].with_name("kept") / self.run

    @classmethod
    def of(cls, study: Study, phase: str, out: str | None = None, **parameters) -> "Place":
        """The place of a run with its parameters; those that are None are as the study file says.

        `out` is the folder of the tables, from the repository's root; None: by hand. Raises StudyError if `out` lies in
        the study's own folder and is not that of a run with these parameters.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        own = study.folder / "checkpoints"
        if out is None:
            folder = ROOT / LAB / phase / _name({"study": study.name, **given})
            return cls(phase, given, folder, (folder / "checkpoints", own))
        folder = (ROOT / out).parent
        if study.folder not in folder.parents:
            return cls(phase, given, folder, (folder / "checkpoints", own))
        planned = {run.key: run.given for run in study.runs()}.get(f"{phase}/{folder.name}")
        allowed = f"{planned} there, or another folder; without `out`, it is one below {LAB}"
        require(given == planned, f"parameters of a run in {out}", given, allowed)
        return cls(phase, given, folder, (own,))


def _name(parameters: dict) -> str:
    """Parameters as the name of a folder, such as `study=mini,intermediate=temprel,duration=12,seed=1`."""
    words = {name: re.sub(r"[^\w.+-]+", "-", str(value)).strip("-") for name, value in parameters.items()}
    return ",".join(f"{name}={word}" for name, word in words.items())[:LONGEST]
