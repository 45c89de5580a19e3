"""Changes of code that were declared harmless: what was computed before them stays valid.

Declared by `make harmless STUDY=x WHY="..."`, kept beside the runs, and copied into the study's provenance.
"""

import json
from pathlib import Path

from stilts_utils.study import whole

FILE = "harmless.json"  # in the folder of a study


def declared(folder: Path) -> list[dict]:
    """The declarations of a study: `root` (a notebook or module), its code's digests `now` and `then`, why, date, commit."""
    file = folder / FILE
    return json.loads(file.read_text(encoding="utf8")) if file.is_file() else []


def as_declared(folder: Path, root: str, digest: str) -> str:
    """The digest of the code that a change was declared to be no change of, or the given one."""
    for one in declared(folder):
        if (one["root"], one["now"]) == (root, digest):
            return one["then"]
    return digest


def declare(folder: Path, changes: list[dict]) -> Path:
    """Add declarations; one of the same code takes the place of an earlier one."""
    new = {(one["root"], one["now"]) for one in changes}
    kept = [one for one in declared(folder) if (one["root"], one["now"]) not in new]
    with whole.file(folder / FILE) as temporary:
        temporary.write_text(json.dumps([*kept, *changes], indent=1) + "\n", encoding="utf8")
    return folder / FILE
