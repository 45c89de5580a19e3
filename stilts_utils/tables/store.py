"""Store the tables of a study as reference results: `python -m stilts_utils.tables.store runs/mini results/mini`.

One Parquet file a table, or one for every target, intermediate task or duration if that would be too large, and the
provenance: all that the findings read. Of a study that was not timed, only the tables that it has.

`--fewer-items` leaves out most items of retrieval targets, of which there are as many as layers, see `fewer_items`.

The provenance holds the digest and the number of rows of every table; `--digests results/mini` adds them to results that have
none, or whose tables were changed on purpose.
"""

import argparse
import datetime
import json
from pathlib import Path

import pandas as pd

from stilts_utils.study import hypotheses, whole
from stilts_utils.tables import files, manifest, provenance, study_tables
from stilts_utils.tasks import task

LARGEST = 1_000_000  # bytes of a committed file
SPLITS = ("target", "intermediate", "duration", "seed")  # columns by whose values a larger table is stored apart


def store(folder: Path, out: Path, fewer: bool = False) -> Path:
    """Write every table of a study into one folder, whole or not at all.

    `fewer`: only the items of `fewer_items`, and a note that says so. Raises RecordError for a missing table or one too
    large to be committed.
    """
    about = provenance.read(folder)
    tables = study_tables.read(folder, about)
    if fewer:
        tables["items"], rule = fewer_items(tables["items"], about["encoder"]["layers"])
        about["note"] = f"{about.get('note', '')} {rule}".strip()
    with whole.folder(out) as made:
        for name, frame in tables.items():
            if len(frame) or provenance.timed(about):
                _store(name, frame, made)
        _write(about | {"tables": manifest.of(made)}, made / provenance.FILE)
    return out


def add_digests(folder: Path) -> Path:
    """Say in the provenance of stored results what their tables are, and that it was said later, on which date.

    For results that were stored without digests, or whose tables were changed by hand for a reason. Raises RecordError if
    the tables cannot be read or are not those that the study asks for.
    """
    file = folder / provenance.FILE
    about = json.loads(file.read_text(encoding="utf8"))  # as it is, of whatever version
    read = provenance.read(folder) | {"tables": manifest.of(folder)}
    study_tables.read(folder, read)
    _write(about | {"tables": read["tables"], "digests_added": datetime.date.today().isoformat()}, file)
    return file


def _write(about: dict, file: Path) -> None:
    with whole.file(file) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")


def fewer_items(items: pd.DataFrame, depth: int) -> tuple[pd.DataFrame, str]:
    """Items without those of retrieval targets at other layers than the middle and the last one, or by other metrics than
    the official one; and a sentence that says so. The scores of these keep their rows.
    """
    middle, kept = hypotheses.middle(depth), pd.Series(True, items.index)
    retrieval = [name for name in items.target.unique() if not task(name).trainable]
    for name in retrieval:
        own = items.target == name
        kept[own] = items.layer[own].isin([middle, depth]) & (items.metric[own] == task(name).metric)
    return items[kept].reset_index(drop=True), (
        f"Of the items of {' and '.join(retrieval)}, those of layers {middle} and {depth} and of the official metric are "
        "stored; the scores are there for all layers and metrics."
    )


def _store(name: str, frame: pd.DataFrame, folder: Path) -> None:
    size = files.save(name, frame, folder).stat().st_size
    if size <= LARGEST:
        return
    by = next((key for key in SPLITS if key in frame and frame[key].nunique() > 1), None)
    if by is None:
        raise files.RecordError(f"table {name} has {size} bytes, allowed in results: {LARGEST}; store fewer items")
    (folder / f"{name}.parquet").unlink()
    for value, rows in frame.groupby(by):
        _store(name, rows, folder / str(value))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Store the tables of a study as reference results.")
    parser.add_argument("folder", type=Path, help="of the tables of a study's runs")
    parser.add_argument("out", type=Path, nargs="?", help="folder of the results")
    parser.add_argument("--fewer-items", action="store_true", help="retrieval: of the middle and the last layer only")
    parser.add_argument("--digests", action="store_true", help="the folder holds stored results: add digests to them")
    given = parser.parse_args()
    if given.digests == bool(given.out):
        parser.error("give a folder of runs and one of results, or --digests and one of results")
    print(add_digests(given.folder) if given.digests else store(given.folder, given.out, given.fewer_items))
