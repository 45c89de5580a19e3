"""What is said of a study's arms beside each other."""

from stilts_utils.analysis import arms
from stilts_utils.analysis.findings import Findings
from stilts_utils.analysis.verdict import CHANGED, NOT_LEARNED, UNDECIDED
from stilts_utils.report.formats import listed
from stilts_utils.study.methods import METHODS, SUPERVISED


def sentences(findings: Findings) -> dict[str, str]:
    """The sentences on arms that a page names; they say so if there is nothing to compare."""
    return {
        "arms_sentence": _compared(findings),
        "arms_plain": findings.intermediates[0],
        "rate_0_sentence": _rate_0(findings),
        "methods_sentence": _methods(findings),
    }


def _compared(findings: Findings) -> str:
    found, said = arms.compared(findings), []
    for equal, where in arms.EQUAL.items():
        rows = found[found.equal == equal]
        kinds = {
            "better": (rows.verdict == CHANGED) & (rows.direction > 0),
            "worse": (rows.verdict == CHANGED) & (rows.direction < 0),
            UNDECIDED: rows.verdict == UNDECIDED,
            NOT_LEARNED: rows.verdict == NOT_LEARNED,
        }
        parts = [f"{int(holds.sum())} {kind}" for kind, holds in kinds.items() if holds.any()]
        if parts:
            said.append(f"{where}: {listed(parts)}")
    return (
        f"Of the arms, against what each is compared with, {'; '.join(said)}." if said else "There is one arm to show."
    )


def _rate_0(findings: Findings) -> str:
    same = arms.at_rate_0(findings)
    alike, not_alike = ([name for name, holds in same.items() if holds is value] for value in (True, False))
    said = [f"The predictions of {listed(alike)}, whose rate is 0, are those of duration 0 in every item."] * bool(
        alike
    )
    said += [f"The predictions of {listed(not_alike)} differ from those of duration 0, though its rate is 0."] * bool(
        not_alike
    )
    return " ".join(said) or "No arm has a rate of 0."


def _methods(findings: Findings) -> str:
    """Every method that the arms use: what it does, and who did so first."""
    used = dict.fromkeys(arm.get("method", SUPERVISED) for arm in findings.study["intermediate"].values())
    known = [METHODS[name] for name in used if name in METHODS]
    said = (
        f"{one.name.replace('_', ' ').capitalize()}: {one.says}{f' ({one.source})' * bool(one.source)}" for one in known
    )
    return f"{'. '.join(said)}."
