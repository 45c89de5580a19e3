"""Provenance, read: commit, study, versions, machine, date and load of a study, and once more of its timings."""

import json
import re
from functools import lru_cache
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study import plugins
from stilts_utils.study.facts import VERSION
from stilts_utils.study.validation import StudyError, build
from stilts_utils.tables import harmless
from stilts_utils.tables.about import About
from stilts_utils.tables.errors import RecordError
from stilts_utils.tasks.entry import NAME, NAME_ALLOWED

FILE = "provenance.json"
TIMED = "timed.json"  # with the tables of phase 4, which a cluster runs on another machine, or a user on another day
RUN = "run.json"  # with the tables of every run: its identity, commit, machine and date
RUNS = "runs.json"  # with stored results: the same of every run, see `tables.store`
KEYS = ("study", "splits", "commit", "date", "machine", "encoder", "versions")


def run_folders(folder: Path | str, about: dict | None = None) -> list[Path]:
    """Where the tables of a study lie: the folders of its runs, or the folder itself if all lie in one.

    `about` is its provenance, if it was read already.

    Runs that the study no longer has, say of a duration taken out of its file, are left alone and not read.
    """
    folder = Path(folder)
    return [folder / key for key in (about or read(folder))["runs"] if (folder / key).is_dir()] or [folder]


def read(folder: Path | str) -> dict:
    """The provenance below a folder of tables, with that of its timings, if there are any, as `timed`.

    Results of an older version are read as if they had been stored by this one, and the plugins that they were made with are
    loaded. Raises FileNotFoundError naming the next command, and RecordError for a file that is broken or of a newer version.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise FileNotFoundError(f"no {FILE} below {folder}; run `make study` first")
    about = _upgraded(_parsed(paths[0]), paths[0])
    for path in sorted(Path(folder).rglob(TIMED)):
        about["timed"] = _parsed(path)
    if made := _made(Path(folder), about["runs"]):
        about["made"] = made
    if declared := harmless.declared(Path(folder)):
        about["harmless"] = declared
    try:
        build(About, about, str(paths[0]))
        plugins.of_results(about)
    except StudyError as error:
        raise RecordError(f"{error}; restore it, or run the study again") from error
    return about


def stored_runs(folder: Path) -> dict[str, dict]:
    """Run -> what it recorded of itself, of stored results; none if they are older than these records."""
    file = folder / RUNS
    return _runs(file, file.stat().st_mtime_ns) if file.is_file() else {}


@lru_cache(maxsize=8)
def _runs(file: Path, changed: int) -> dict[str, dict]:
    kept = _parsed(file)
    return {key: run | {"files": kept["files"][run["files"]]} for key, run in kept["runs"].items()}


def _made(folder: Path, runs: list[str]) -> dict[str, dict]:
    """Run -> commit, date, machine and digest of its identity, of the runs that recorded them."""
    records = stored_runs(folder)
    if not records:
        files = {key: folder / key / "tables" / RUN for key in runs}
        records = {key: _parsed(file) for key, file in files.items() if file.is_file()}
    known = ("commit", "date", "machine", "digest")
    return {key: {name: run[name] for name in known if name in run} for key, run in records.items()}


def began(about: dict) -> str:
    """The date of a study's first run that is not repeated on every machine."""
    made = about.get("made", {})
    return min((run["date"] for key, run in made.items() if not key.startswith("1_")), default=about["date"])


def timed(about: dict) -> bool:
    """Whether a study was timed, by its provenance."""
    return "timed" in about


def is_stored(folder: Path | str) -> bool:
    """Whether a folder holds stored results; otherwise it is that of runs."""
    return (Path(folder) / FILE).is_file()


def again(folder: Path | str, about: dict) -> str:
    """What to do if the tables of a folder are not whole."""
    name = about["study"]["name"]
    if is_stored(folder):
        return f"restore it (`git checkout -- results/{name}`), or `make study STUDY={name}` and `make results STUDY={name}`"
    return f"`make study STUDY={name}` runs what is missing"


def stored(results: Path = ROOT / "results") -> list[str]:
    """Names of the studies whose tables are stored as reference results. Raises RecordError for a folder without a name."""
    names = [path.parent.name for path in sorted(results.glob(f"*/{FILE}"))]
    for name in names:
        if not re.fullmatch(NAME, name):
            raise RecordError(f"{results.name} has a folder {name!r}, allowed: {NAME_ALLOWED}; rename or remove it")
    return names


def _parsed(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise RecordError(f"{path} is no JSON ({error}); restore it, or run the study again") from error
    if not isinstance(about, dict):
        raise RecordError(
            f"{path} holds a {type(about).__name__}, allowed: an object; restore it, or run the study again"
        )
    return about


def _upgraded(about: dict, path: Path) -> dict:
    version = about.get("version", 1)
    if version not in (1, VERSION):
        raise RecordError(f"{path}: version is {version!r}, allowed: 1 to {VERSION}; read it with newer code")
    if version == 1:  # its facts have the same names; its tables lie in one folder
        about = about | {"version": VERSION, "runs": []}
    if missing := [key for key in (*KEYS, "runs") if key not in about]:
        raise RecordError(f"{path}: {', '.join(missing)} missing; restore it, or run the study again")
    return about
