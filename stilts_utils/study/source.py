"""Where the rows of a study come from."""

from dataclasses import dataclass
from pathlib import Path

from stilts_utils.study.validation import require

KINDS = ("embedded", "hub", "mirror")
MIRROR = "STILTS_MIRROR"  # environment variable: the folder of a mirror


@dataclass(frozen=True)
class Source:
    """Generated rows (`embedded`), the model hub (`hub`), or a folder in hub layout (`mirror`).

    `root` is the folder of a mirror or, with the hub, of licensed sets that no hub has. A mirror without one lies where
    the environment variable STILTS_MIRROR says. Raises StudyError for another kind.
    """

    kind: str = "embedded"
    root: Path | None = None

    def __post_init__(self):
        require(self.kind in KINDS, "source", self.kind, ", ".join(KINDS))
        require(self.kind != "embedded" or self.root is None, "root", self.root, "none for generated rows")

    def __str__(self) -> str:
        return f"source {self.kind!r}"


EMBEDDED = Source()
