"""Where a run keeps what it makes: tables, checkpoints, logs.

A run of a study writes below `runs/<study>`. A notebook that is run by hand writes below `runs/lab`, in a folder named by
its parameters, and only reads what the study has: nothing that was made by hand ever feeds a study.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require

LAB = "runs/lab"
KEPT = "kept"  # a folder beside the checkpoints
MARK = "STILTS_STUDY"  # in the environment of every process of a study: its folder
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
        return self.checkpoints[0].with_name(KEPT) / self.run

    @classmethod
    def of(cls, study: Study, phase: str, out: str | None = None, **parameters) -> "Place":
        """The place of a run with its parameters; those that are None are as the study file says.

        `out` is the folder of the tables, from the repository's root; None: by hand. Raises StudyError if `out` lies in
        the study's own folder and is not that of a run with these parameters.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        own, runs, lab = study.folder / "checkpoints", (ROOT / "runs").resolve(), (ROOT / LAB).resolve()
        folder = (ROOT / out).resolve().parent if out else lab / phase / _name({"study": study.name, **given})
        if lab in folder.parents or runs not in (folder, *folder.parents):
            return cls(phase, given, folder, (folder / "checkpoints", own))
        planned = {study.folder.resolve() / run.key: run.given for run in study.runs() if run.phase == phase}
        elsewhere = f"a folder below {LAB}, where it is without `out`, or outside runs"
        require(folder in planned, "out", out, f"the folder of a run of phase {phase} of {study.name}, or {elsewhere}")
        require(given == planned[folder], f"parameters of a run in {out}", given, f"{planned[folder]}, or {elsewhere}")
        require(
            os.environ.get(MARK) == str(study.folder), "out", out, f"{elsewhere}: what is run by hand feeds no study"
        )
        return cls(phase, given, study.folder / phase / folder.name, (own,))


def _name(parameters: dict) -> str:
    """Parameters as the name of a folder, such as `study=mini,intermediate=temprel,duration=12,seed=1`."""
    words = {name: re.sub(r"[^\w.+-]+", "-", str(value)).strip("-") for name, value in parameters.items()}
    name = ",".join(f"{name}={word}" for name, word in words.items())
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{hashlib.sha256(repr(parameters).encode()).hexdigest()[:8]}"
    return name
