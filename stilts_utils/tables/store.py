"""Store the tables of a study as reference results: `python -m stilts_utils.tables.store runs/mini results/mini`.

One Parquet file a table, or one for every target, intermediate task or duration if that would be too large, and the
provenance: all that the findings read. Of a study that was not timed, only the tables that it has.

Every row says of which run it is, and `runs.json` what each run depends on and where it was made, so that `make study` takes
the runs that are up to date as done, see `workflow.stored`. Of a study that has not ended, the whole cells are stored, see
`finished`. Of every phase and arm one executed notebook is stored, see `executed`.

`--fewer-items` leaves out most items of retrieval targets, of which there are as many as layers, see `fewer_items`.

The provenance holds the digest and the number of rows of every table; `--digests results/mini` adds them to results that have
none, or whose tables were changed on purpose.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

import pandas as pd

from stilts_utils import ROOT
from stilts_utils.study import hypotheses, whole
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import executed, files, finished, identity, manifest, provenance, schema, study_tables
from stilts_utils.tables.errors import RecordError
from stilts_utils.tasks import task

LARGEST = 1_000_000  # bytes of a committed file
SPLITS = ("target", "intermediate", "duration", "seed")  # columns by whose values a larger table is stored apart


def store(folder: Path, out: Path, fewer: bool = False, current: dict[str, str] | None = None) -> Path:
    """Write every table of a study into one folder, whole or not at all.

    `fewer`: only the items of `fewer_items`, and a note that says so. `current`: run -> the digest of its identity as it is
    today, by which runs that are out of date are told. Raises RecordError for a missing table, for one too large to be
    committed, for a run that is out of date, and if results of runs that are stored would be lost.
    """
    about = provenance.read(folder)
    records = {key: run for key in about["runs"] if (run := finished.record(folder / key))}
    if records:
        _check_current(records, current or {}, about["study"]["name"])
        about = finished.smaller(about, set(records))
        _check_kept(out, about)
    tables = study_tables.read(folder, about)
    tables = {name: _by_run(name, frame, folder, records) for name, frame in tables.items()}
    if fewer:
        tables["items"], rule = fewer_items(tables["items"], about["encoder"]["layers"])
        about["note"] = f"{about.get('note', '')} {rule}".strip()
    with whole.folder(out) as made:
        for name, frame in tables.items():
            if len(frame) or provenance.timed(about):
                _store(name, frame, made)
        if records:
            _write_runs({key: records[key] for key in about["runs"]}, folder, made / provenance.RUNS)
        executed.write(folder, about, out / executed.FOLDER, made / executed.FOLDER)
        _write(about | {"tables": manifest.of(made)}, made / provenance.FILE)
    return out


def _check_current(records: dict[str, dict], current: dict[str, str], name: str) -> None:
    """No run is out of date. Raises RecordError."""
    if stale := [key for key, run in records.items() if current.get(key, run["digest"]) != run["digest"]]:
        raise RecordError(
            f"{len(stale)} run(s) of {name} are out of date, such as {stale[0]}: `make study STUDY={name}` runs them again, "
            f"and `make status STUDY={name}` says why they are"
        )


def _check_kept(out: Path, about: dict) -> None:
    """No run that is stored is left out, unless the study has no such run any more. Raises RecordError."""
    stored = set(provenance.stored_runs(out))
    if lost := sorted(stored & set(about.get("waiting", ()))):
        name = about["study"]["name"]
        raise RecordError(
            f"{out} has {len(lost)} run(s) that are not among those to be stored, such as {lost[0]}: `make study STUDY={name}` "
            f"takes those that are up to date and runs the others again; or remove {provenance.RUNS} there to lose them"
        )
    if gone := sorted(stored - set(about["runs"])):
        print(
            f"{out}: {len(gone)} stored run(s) of which the study file has none any more are dropped, such as {gone[0]}"
        )


def _by_run(name: str, frame: pd.DataFrame, folder: Path, records: dict[str, dict]) -> pd.DataFrame:
    """A study's table with the run of every row."""
    if not records or frame.empty:
        return frame
    if name == "jobs":  # files that belong to no notebook are of no run
        return frame.assign(**{files.OF_RUN: frame.phase + "/" + frame.run})
    parts = [files.read(name, folder / key, optional=True).assign(**{files.OF_RUN: key}) for key in records]
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    key = list(schema.TABLES[name].key)
    return frame.merge(rows[[*key, files.OF_RUN]], on=key, how="left", validate="one_to_one")


def _write_runs(records: dict[str, dict], folder: Path, file: Path) -> None:
    """What the runs recorded of themselves; lists of code files, which many share, are written once."""
    runs, lists = {}, {}
    for key, run in records.items():
        digest = manifest.text_digest(json.dumps(run["files"], sort_keys=True))
        lists[digest] = run["files"]
        tables = json.loads((folder / key / "tables" / manifest.FILE).read_text(encoding="utf8"))
        runs[key] = run | {"files": digest, "tables": {name: entry["rows"] for name, entry in tables.items()}}
    file.write_text(json.dumps({"runs": runs, "files": lists}, indent=0) + "\n", encoding="utf8")


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
        raise RecordError(f"table {name} has {size} bytes, allowed in results: {LARGEST}; store fewer items")
    (folder / f"{name}.parquet").unlink()
    for value, rows in frame.groupby(by):
        _store(name, rows, folder / str(value))


def main() -> int:
    parser = argparse.ArgumentParser(description="Store the tables of a study as reference results.")
    parser.add_argument("folder", type=Path, help="of the tables of a study's runs")
    parser.add_argument("out", type=Path, nargs="?", help="folder of the results")
    parser.add_argument("--fewer-items", action="store_true", help="retrieval: of the middle and the last layer only")
    parser.add_argument("--digests", action="store_true", help="the folder holds stored results: add digests to them")
    given = parser.parse_args()
    if given.digests == bool(given.out):
        parser.error("give a folder of runs and one of results, or --digests and one of results")
    try:
        if given.digests:
            print(add_digests(given.folder))
        else:
            print(store(given.folder, given.out, given.fewer_items, _current(given.folder.name)))
    except (RecordError, StudyError, FileNotFoundError) as error:
        print(error)
        return 2
    return 0


def _current(name: str) -> dict[str, str]:
    """Run -> the digest of its identity as the study file is today; a line says so if there is no such file."""
    file = ROOT / "studies" / f"{name}.yaml"
    if not file.is_file():
        print(f"studies/{name}.yaml is missing: whether runs are up to date was not checked")
        return {}
    study = Study.load(file)
    return {run.key: identity.of_run(study, run.phase, run.given).digest for run in study.runs()}


if __name__ == "__main__":
    sys.exit(main())
