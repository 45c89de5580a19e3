"""The data of every figure of the book, tidy and in full precision, for the CSV under it."""

import pandas as pd

from stilts_utils.analysis import quality
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.analysis.latency import CONTROLS, PARTS
from stilts_utils.report import captions
from stilts_utils.study.settings import CONTROL

LOSS = ["intermediate", "duration", "seed", "target", "step", "loss"]


def every(findings: Findings) -> dict[str, pd.DataFrame]:
    """Figure name -> frame; of a study that was not timed, none of a figure that shows times."""
    tables, means = findings.tables, findings.quality[findings.quality.language == MEAN]
    against = {"0 steps": captions.changes(findings), "the same steps on the target": captions.over_control(findings)}
    made = {
        "quality": pd.concat([frame.assign(against=name) for name, frame in against.items()]),
        "curves": means,
        "languages": findings.changes[findings.changes.intermediate != CONTROL],
        "layers": quality.with_differences(findings.layer_changes, findings.layers),
        "fertility": findings.premiums,
        "learning": tables["training"][LOSS],
    }
    if len(tables["validation"]):
        made["validation"] = tables["validation"]
    if findings.timed or findings.exits is not None:
        made["equal_accuracy"] = findings.exit_frontier
    return made | (_of_times(findings) if findings.timed else {})


def _of_times(findings: Findings) -> dict[str, pd.DataFrame]:
    timings = findings.tables["timings"]
    settings = timings[~timings.condition.isin(CONTROLS)].groupby(["engine", "batch_size", "language", "duration"])
    return {
        "answer": pd.concat([findings.ratios, findings.quality[findings.quality.language == MEAN]]),
        "latency": findings.ratios,
        "parts": settings[PARTS].median().reset_index(),
        "variance": findings.variance,
        "frontier": findings.exit_points if not findings.exits_unusable else pd.DataFrame(),
        "costs": findings.tables["costs"],
    }
