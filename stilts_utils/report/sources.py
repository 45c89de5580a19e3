"""Where the data of every figure and table come from: the phase whose notebook computed them, and the CSV."""

from pathlib import Path

import pandas as pd

# A phase and the tables and figures of its data; all others are of the findings.
PHASES = {
    "1_pretrained": "fertility shortcuts coverage left_out",
    "2_intermediate": "checkpoints validation arm_costs lexical",
    "3_target": "arms quality learned extremes quality_languages languages curves layers best_layers learning exit_languages",
    "4_inference": (
        "latency controls noise parts variance machines engines speed fidelity early_exit scenarios work searches "
        "engine_quality language_tax latency_languages exit_controls equal_quality advice exit_outcomes exit_equal "
        "equal_accuracy frontier throughput costs forms"
    ),
}
FINDINGS = "5_findings"
FILE = "tables.json"  # in a report: which part of its data a table shows, or the sentence that stands for it
FIGURE = "figure_"  # before the name of the CSV of a figure, since a table can have the same name
# What is defined by code alone, and so is of no run.
OF_CODE = ("floors", "floors_registry", "tasks", "registry")
_PHASE = {name: phase for phase, names in PHASES.items() for name in names.split()}


def phase(name: str) -> str:
    """The phase that a table or figure is of; "" if it is of none."""
    return "" if name in OF_CODE else _PHASE.get(name, FINDINGS)


def write(data: pd.DataFrame, path: Path) -> None:
    """Write data as CSV: UTF-8, a comma, a point, numbers in full precision."""
    path.write_text(data.to_csv(index=False, lineterminator="\n"), encoding="utf8")
