"""The runs of a study that have ended, and the smaller study that is whole with them alone.

A cell is an intermediate task and a seed, with all its durations and targets, and duration 0 of the seed. A study of which
some cells are missing is read as one with fewer seeds of some tasks; what it still waits for is said in its provenance.
"""

import json
from pathlib import Path

from stilts_utils.study.arms import PRETRAINED
from stilts_utils.tables import manifest
from stilts_utils.tables.errors import RecordError
from stilts_utils.tables.provenance import RUN

TRAINED = ("2_intermediate", "3_target")
TIMED = "4_inference"


def record(folder: Path) -> dict:
    """What the run in a folder recorded of itself; nothing if it has not ended or its tables are not whole."""
    try:
        manifest.check_runs([folder], "")
        return json.loads((folder / "tables" / RUN).read_text(encoding="utf8"))
    except (FileNotFoundError, json.JSONDecodeError, RecordError):
        return {}


def smaller(about: dict, ended: set[str]) -> dict:
    """A provenance of runs as that of the whole cells among those that have `ended`, with the others as `waiting`.

    A study of which all runs have ended stays as it is. Raises RecordError if no cell of the first task is whole.
    """
    given = about.get("parameters") or {}
    if ended >= set(about["runs"]):
        return about
    facts, timing = about["study"], about["study"]["inference"]
    started = _seeds(given, ended, "3_target", PRETRAINED, facts["seeds"])
    arms = {}
    for name, arm in facts["intermediate"].items():
        own = [seed for seed in arm["seeds"] if seed in started]
        trained = [_seeds(given, ended, phase, name, own) for phase in TRAINED]
        if seeds := [seed for seed in own if all(seed in seeds for seeds in trained)]:
            arms[name] = arm | {"seeds": seeds}
    first = next(iter(facts["intermediate"]))
    if first not in arms or "1_pretrained/baseline" not in ended:
        raise RecordError(
            f"{facts['name']}: no seed of {first} has ended with all its durations and targets; "
            f"`make study STUDY={facts['name']}` goes on"
        )
    timed = [seed for seed in arms[first]["seeds"] if seed in _seeds(given, ended, TIMED, None, timing["seeds"])]
    kept = [seed for seed in facts["seeds"] if any(seed in arm["seeds"] for arm in arms.values())]
    processes = {str(seed): timing["processes"][str(seed)] for seed in timed}
    timing = timing | {"seeds": timed, "processes": processes, "replicates": sum(map(len, processes.values()))}
    if not timed:  # facts of a study that was not timed are those of its plan
        timing = facts["inference"]
        about = {name: value for name, value in about.items() if name != "timed"}
    runs = [key for key in about["runs"] if key in ended and _within(given[key], key, kept, arms, timed)]
    waiting = [key for key in about["runs"] if key not in runs]
    facts = facts | {"seeds": kept, "intermediate": arms, "inference": timing}
    return about | {"study": facts, "runs": runs, "waiting": waiting}


def _seeds(given: dict, ended: set[str], phase: str, arm: str | None, seeds: list[int]) -> list[int]:
    """Seeds of which all runs of a phase and an arm have ended."""
    runs = [key for key in given if key.startswith(f"{phase}/") and given[key].get("intermediate") == arm]
    return [seed for seed in seeds if all(key in ended for key in runs if given[key]["seed"] == seed)]


def _within(parameters: dict, key: str, seeds: list[int], arms: dict, timed: list[int]) -> bool:
    """Whether a run belongs to the cells of some seeds of some arms."""
    seed, arm = parameters.get("seed"), parameters.get("intermediate")
    if key.startswith(f"{TIMED}/"):
        return seed in timed
    if arm in arms:
        return seed in arms[arm]["seeds"]
    return seed is None or (arm == PRETRAINED and seed in seeds)
