"""Memory that a run asks a cluster for: the measured peak of its phase, with some to spare, or else an assumption."""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import provenance

SPARE = 1.3  # times the measured peak: machines, precisions and rows differ
ASSUMED_MB = {"embedded": 5000, "mirror": 8000, "hub": 16000}  # by the source, where nothing was measured
SAME = ("encoder", "layers", "layers_without_bf16", "source")  # fields of studies whose runs take about the same


def asked_mb(study: Study) -> dict[str, int]:
    """Phase -> megabytes that a run of it asks for.

    Measured are the runs of this study, here or stored; else those of the stored studies over the same layers of the same
    encoder, with the same source, of which the largest counts. A study that asks for GPUs, whose libraries take memory of
    their own, counts on its own runs alone.
    """
    peaks: dict[str, float] = {}
    for folder in _folders(study):
        peaks |= folder
    phases = dict.fromkeys(run.phase for run in study.runs())
    return {
        phase: 100 * math.ceil(SPARE * peaks[phase] / 100) if phase in peaks else ASSUMED_MB[study.source]
        for phase in phases
    }


def _folders(study: Study) -> Iterator[dict[str, float]]:
    """`peaks` of what was measured, the nearest last."""
    results = ROOT / "results"
    if not study.gpus:
        alike = [peaks(results / name) for name in provenance.stored(results) if _alike(study, name)]
        yield {phase: max(found.get(phase, 0) for found in alike) for found in alike for phase in found}
    yield peaks(results / study.name)
    yield peaks(study.folder)


def _alike(study: Study, name: str) -> bool:
    try:
        other = Study.load(ROOT / "studies" / f"{name}.yaml")
    except (StudyError, OSError):  # its file is gone, or was written for other code
        return False
    return not other.gpus and all(getattr(other, field) == getattr(study, field) for field in SAME)


def peaks(folder: Path) -> dict[str, float]:
    """Phase -> the largest peak of a run in megabytes, of stored results or of a folder of runs; empty if none was measured."""
    found: dict[str, float] = {}
    if (stored := folder / "jobs.parquet").is_file():
        jobs = pd.read_parquet(stored, columns=["phase", "peak_mb"]).itertuples(index=False)
    else:
        files = folder.glob("*_*/*/benchmark.tsv")
        jobs = ((file.parts[-3], float(pd.read_csv(file, sep="\t").max_rss.iloc[-1])) for file in files)
    for phase, peak in jobs:
        if peak > 0:  # one that ended within a second has none
            found[phase] = max(peak, found.get(phase, 0.0))
    return found
