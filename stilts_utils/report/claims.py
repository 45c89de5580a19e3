"""What a study measured about each of the nine claims of the synthesis that the book starts from."""

from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import NOT_LEARNED
from stilts_utils.report.formats import counted, listed, points, signed
from stilts_utils.report.sentences import at_longest, encoder_name, material
from stilts_utils.tasks import task


def claims(findings: Findings) -> dict[str, str]:
    """The measurements of this study on each of the nine claims of the synthesis."""
    arms, several = findings.study["intermediate"], len(findings.intermediates) > 1
    means = findings.verdicts[findings.verdicts.verdict != NOT_LEARNED]
    changes = at_longest(findings, means)
    average = changes.groupby("intermediate").difference.mean()
    gains = {name: f"{name} {signed(value)}" for name, value in average.items()} or {"": NOT_LEARNED}
    mixed = [gain for name, gain in gains.items() if name and len(arms[name]["tasks"]) > 1]
    best = f"{signed(means.groupby('target').difference.max().mean())} points" if len(means) else NOT_LEARNED
    layers = at_longest(findings, findings.layer_changes)
    layers = layers[layers.intermediate.map(findings.learned.arm).astype(bool)]
    layers = layers[layers.layer.isin([findings.middle, findings.depth])]
    retrieval = "; ".join(f"{row.target} {points(row)} at layer {row.layer}" for row in layers.itertuples())
    kinds = {kind: [] for kind in ("question answering", "classification")}
    for row in changes.itertuples():
        after = f" after {row.intermediate}" * several
        kinds.get(task(row.target).category, []).append(f"{row.target}{after} {points(row)}")
    by_kind = "; ".join(f"{kind}: {listed(names)}" for kind, names in kinds.items() if names)
    stand_ins = f"{material(findings)}; longest duration {findings.longest} steps"
    return {
        "claim_1": f"Mean change over targets, in points: {listed(gains.values())} ({stand_ins}).",
        "claim_2": f"Mean change over targets, in points: {listed(mixed)} ({stand_ins})."
        if mixed
        else f"Not measured: {counted(len(arms), 'intermediate task')}, no multi-task training.",
        "claim_3": f"Change of retrieval ({stand_ins}): {retrieval or 'no retrieval target'}.",
        "claim_4": f"{by_kind[:1].upper()}{by_kind[1:] or 'No such target'} ({stand_ins}).",
        "claim_5": f"Mean over targets of the best duration's change, chosen after the fact: {best} ({stand_ins}).",
        "claim_6": "Not measured: no multilingual or translated intermediate training here.",
        "claim_7": f"Not so here: {findings.depth} layers of {encoder_name(findings)}.",
        "claim_8": "Followed as the design of this study, with a timing phase added.",
        "claim_9": f"{len(arms)} here: {listed(findings.intermediates)}; all nine are registered.",
    }
