"""Results of one part of a run, kept until what they depend on changes.

A run scores several targets. If it was interrupted, or if one target's settings changed, the others are not trained again.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from stilts_utils.study import whole
from stilts_utils.tables import files, manifest
from stilts_utils.tables.errors import RecordError
from stilts_utils.training.session import Session

MADE_FROM = "made_from.txt"
Frames = dict[str, pd.DataFrame]  # by the name of the table


def kept(session: Session, name: str, made_from: str, make: Callable[[], Frames], others_there: bool = True) -> Frames:
    """The frames of a part that an earlier try of this run made from the same, or those that `make` makes now.

    `others_there`: whether all else that was made with them is still there. Their costs, of the time when they were made, are
    added to those of the run.
    """
    folder = session.place.kept / name
    mark = folder / MADE_FROM
    same = others_there and mark.is_file() and mark.read_text(encoding="utf8") == made_from
    if frames := _stored(folder) if same else None:
        print(f"{name}: kept from an earlier try of this run")
    else:
        outer, session.costs = session.costs, session.costs.another()
        try:
            frames = make()
        finally:
            own, session.costs = session.costs, outer
        frames["costs"] = pd.DataFrame(own.rows())
        with whole.folder(folder) as made:
            for table, frame in frames.items():
                files.write(table, frame, made)
            (made / MADE_FROM).write_text(made_from, encoding="utf8")
    session.costs.add(frames.pop("costs").to_dict("records"))
    return frames


def _stored(folder: Path) -> Frames | None:
    """The frames in a folder, or None if one is missing or not as it was written."""
    try:
        manifest.check_runs([folder], "it is made again")
        return {file.stem: files.read(file.stem, folder) for file in sorted(folder.glob("*.parquet"))}
    except RecordError as error:
        print(error)
        return None
