"""What a study was run with: commit, study file, versions, machine, date and load; of its timings, once more."""

import json
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.study.validation import build

FILE = "provenance.json"

TIMED = "timed.json"  # beside the tables of phase 4, which a cluster runs on another machine, or a user another day


def run_folders(folder: Path | str) -> list[Path]:
    """Where the tables of a study lie: the folders of its runs, or the folder itself where all lie in one.

    Runs that the study no longer has, say of a duration taken out of its file, are left alone and not read.
    """
    folder = Path(folder)
    study = build(Study, read(folder)["study"], FILE)
    return [folder / run.key for run in study.runs() if (folder / run.key).is_dir()] or [folder]


def read(folder: Path | str) -> dict:
    """The provenance below a folder of tables, with that of its timings, once there are any, as `timed`.

    Raises FileNotFoundError naming the next command.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise FileNotFoundError(f"no {FILE} below {folder}; run `make study` first")
    found = json.loads(paths[0].read_text(encoding="utf8"))
    for path in sorted(Path(folder).rglob(TIMED)):
        found["timed"] = json.loads(path.read_text(encoding="utf8"))
    return found


def stored(results: Path = ROOT / "results") -> list[str]:
    """Names of the studies whose tables are stored as reference results."""
    return [path.parent.name for path in sorted(results.glob(f"*/{FILE}"))]
