"""Results of one part of a run, kept until what they depend on changes.

A run scores several targets. If it was interrupted, or if one target's settings changed, the others are not trained again.
"""

from collections.abc import Callable

import pandas as pd

from stilts_utils.study import whole
from stilts_utils.tables import files
from stilts_utils.training.session import Session

MADE_FROM = "made_from.txt"
Frames = dict[str, pd.DataFrame]  # by the name of the table


def kept(session: Session, name: str, made_from: str, make: Callable[[], Frames], whole_yet: bool = True) -> Frames:
    """The frames of a part that an earlier try of this run made from the same, or those that `make` makes now.

    `whole_yet`: whether all else that was made with them is still there. Their costs, of the time when they were made, are
    added to those of the run.
    """
    folder = session.place.kept / name
    mark = folder / MADE_FROM
    if whole_yet and mark.is_file() and mark.read_text(encoding="utf8") == made_from:
        print(f"{name}: kept from an earlier try of this run")
        frames = {file.stem: files.read(file.stem, folder) for file in sorted(folder.glob("*.parquet"))}
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
