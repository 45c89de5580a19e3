"""Notebooks that were run by hand, gathered: their tables below `runs/lab` as those of one study, for the findings."""

import json
import re
import shutil
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study import whole
from stilts_utils.study.arms import PRETRAINED
from stilts_utils.study.place import LAB
from stilts_utils.study.study import Run, Study
from stilts_utils.tables import finished, identity, provenance
from stilts_utils.tables.errors import RecordError

REFERENCE = "results/mini"
GATHERED = "5_findings"


def folder(lab: Path = ROOT / LAB) -> Path:
    """The folder of the tables that findings read if they are told none: of your newest study by hand, else `REFERENCE`.

    Runs count if they have the parameters of a run of the study file, and its settings, data and code as they are now. Raises
    RecordError naming the notebooks that are still to be run, if they are no complete smaller study yet.
    """
    found = sorted(lab.glob(f"[1-4]_*/study=*/tables/{provenance.RUN}"), key=lambda file: file.stat().st_mtime_ns)
    if not found:
        return ROOT / REFERENCE
    name = re.match(r"study=([^,]+)", found[-1].parents[1].name)[1]
    study = Study.load(f"studies/{name}.yaml")
    return gathered(study, [file.parents[1] for file in found], lab / GATHERED / name)


def gathered(study: Study, folders: list[Path], out: Path) -> Path:
    """Copy the tables of folders that are runs of a study into one folder, as `make study` lays them out."""
    keys = {identity.of_run(study, run.phase, run.given).digest: run.key for run in study.runs()}
    records = {folder: finished.record(folder) for folder in folders}
    mine = {keys[record["digest"]]: folder for folder, record in records.items() if record.get("digest") in keys}
    baseline = mine.get("1_pretrained/baseline")
    try:
        if not baseline:
            raise RecordError("")
        about = finished.smaller(provenance.read(baseline), set(mine))
    except RecordError as error:
        raise RecordError(_incomplete(study, mine)) from error
    with whole.folder(out) as made:
        for key in set(about["runs"]) & mine.keys():
            shutil.copytree(mine[key] / "tables", made / key / "tables")
        timed = any(key.startswith(finished.TIMED) for key in mine)
        own = {name: value for name, value in about.items() if name not in ("made", "harmless")}
        own = own if timed else {name: value for name, value in own.items() if name != "timed"}
        file = made / "1_pretrained/baseline/tables" / provenance.FILE
        file.write_text(json.dumps(own, indent=1) + "\n", encoding="utf8")
    return out


def _incomplete(study: Study, mine: dict[str, Path]) -> str:
    """Which notebooks are still to be run for the seed of the first task that lacks fewest."""
    first = next(iter(study.intermediate))
    lacking = {
        seed: [run for run in _cell(study, first, seed) if run.key not in mine] for seed in study.seeds_of(first)
    }
    runs = min(lacking.values(), key=len)
    commands = "\n".join(f"  {_command(study, run)}" for run in runs)
    return (
        f"your runs by hand of {study.name} are not yet all durations of {first} with one seed; run these notebooks, too, or "
        f"name another folder by `tables`, such as {REFERENCE}:\n{commands}"
    )


def _cell(study: Study, arm: str, seed: int) -> list[Run]:
    """The runs of one arm and seed, with those from duration 0 and the baseline."""
    wanted = (None, PRETRAINED, arm)
    return [
        run
        for run in study.runs()
        if run.phase != finished.TIMED
        and run.given.get("intermediate") in wanted
        and run.given.get("seed", seed) == seed
    ]


def _command(study: Study, run: Run) -> str:
    given = {"study": f"studies/{study.name}.yaml"} | run.given
    return f"papermill notebooks/{run.phase}.ipynb out.ipynb -y '{json.dumps(given)}'"
