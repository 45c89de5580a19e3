"""How models stand beside what is no intermediate training: shortcuts, and the control that spends its steps on the target."""

from collections.abc import Iterator

from stilts_utils.findings import MEAN, Findings

TRIVIAL = ("majority", "chance")  # of every task, the baseline that reads nothing


def above_control(found: Findings, target: str, intermediate: str) -> bool | None:
    """Whether an arm at its longest duration is above the control that spends its steps on the target; None without one."""
    row = found.mean_over_control(target, intermediate)
    return None if row is None else bool(row.low > 0)


def above_shortcuts(found: Findings) -> dict[str, bool]:
    """Target -> whether a model of it, at duration 0, is above its best shortcut in English and a trivial one in most
    languages.
    """
    return {target: well for target, well, _ in beside_shortcuts(found)}


def beside_shortcuts(found: Findings) -> Iterator[tuple[str, bool, str]]:
    """(target, whether it is above its shortcuts, how they compare) of every target."""
    shortcuts = found.tables["shortcuts"]
    best = shortcuts.groupby(["target", "language"]).score.max()
    trivial = shortcuts[shortcuts.baseline.isin(TRIVIAL)].set_index(["target", "language"]).score
    for target in found.study["targets"]:
        rows = found.quality[(found.quality.target == target) & (found.quality.duration == 0)]
        languages = rows[rows.language != MEAN].set_index("language").score
        wins = int((languages > trivial[target].reindex(languages.index)).sum())
        where = "en" if "en" in languages.index else MEAN
        shortcut = best[target]["en"] if where == "en" else best[target].mean()
        top = rows[rows.language == where].iloc[0]
        name = "English" if where == "en" else "mean over languages"
        text = (
            f"{target} ({name} {top.score:.0f} against {shortcut:.0f}; above the trivial baseline in {wins} of "
            f"{len(languages)} languages)"
        )
        yield target, bool(top.low > shortcut and wins > len(languages) / 2), text
