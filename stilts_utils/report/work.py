"""The work of checkpoints, for a reader: a table and a sentence. Results stored before it was traced have neither."""

import pandas as pd

from stilts_utils.analysis import work
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_MEASURED as UNMEASURED
from stilts_utils.report.columns import Table, stated, table
from stilts_utils.report.formats import change, decimal, percent, span
from stilts_utils.report.sentences import dense

NOT_MEASURED = "Whether the checkpoints made an engine do the same work: not measured."


def shown(findings: Findings) -> Table:
    """Work by engine, batch size and rule of exits; no rows if it was not traced."""
    rows = findings.tables["work"]
    if rows.empty:
        return stated(NOT_MEASURED)
    columns = {
        "Engine": "engine",
        "Rule": "rule",
        "Batch": "batch_size",
        "Operations": lambda row: f"{row.operations:,.0f}",
        "GFLOP": ("gflops", decimal, 3),
        "FLOP against 0 steps": lambda row: span(row.fewer, row.more, change, 1),
        "Work": "verdict",
    }
    return table(work.compared(rows), columns)


def sentence(findings: Findings) -> str:
    """Whether dense engines did the same work over durations and seeds, and how closely the clock agrees."""
    rows = findings.tables["work"]
    if rows.empty:
        return NOT_MEASURED
    found = work.compared(rows)
    plain = found[found.rule == work.DENSE]
    same = plain.groupby("engine").durations.all()  # kinds of processor may differ in a compiled engine, thus seeds
    fewest, most = int(plain.operations.min()), int(plain.operations.max())
    counted = str(fewest) if fewest == most else f"{fewest} to {most}"
    claim = "The same work was done" if same.all() else "Not all engines did the same work"
    ratios = dense(findings)
    ratios = ratios[ratios.verdict != UNMEASURED]
    ends = pd.concat([ratios.low, ratios.high])
    clock = (
        "; the clock: not measured"
        if ends.empty
        else f", and the clock agrees within {percent((ends - 1).abs().max())}"
    )
    small = int(found.subnormal_activations.sum())
    return (
        f"{claim}: {counted} operations a request, hashes equal over all durations in {same.sum()} of {len(same)} "
        f"engines{clock}." + f" Subnormal activations: {small}." * bool(small)
    )
