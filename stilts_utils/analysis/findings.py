"""The findings of a study: every table of the results, computed from the tables of its runs. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from stilts_utils.analysis import (
    best_layer,
    bootstrap,
    controls,
    exit_clock,
    exit_effects,
    exit_frontier,
    exit_outcomes,
    factors,
    forms,
    latency,
    machines,
    quality,
    throughput,
)
from stilts_utils.analysis import learned as learning
from stilts_utils.analysis.verdict import NOT_LEARNED, Verdict, of_interval, with_seeds
from stilts_utils.study import hypotheses
from stilts_utils.study.facts import trained_on
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tables import provenance, study_tables
from stilts_utils.tables.errors import RecordError
from stilts_utils.tasks import task

MEAN = bootstrap.MEAN


@dataclass(frozen=True)
class Findings:
    """What was found. Frames are tidy; `quality` and `changes` hold the primary metric at the last layer only.

    Of a study that was not timed, frames on timings are empty, and effects of early exit lack the ratio of latency.
    """

    provenance: dict
    tables: dict[str, pd.DataFrame]
    quality: pd.DataFrame  # bootstrap_scores, primary metric, last layer
    changes: pd.DataFrame  # bootstrap_differences to duration 0, likewise; simultaneous over targets and tasks
    over_control: pd.DataFrame  # arm minus duration-matched control at the same duration
    seeds: pd.DataFrame  # scores of single seeds, mean over languages
    layers: pd.DataFrame  # retrieval by layer, mean over languages; no interval where there are scores and no items
    layer_changes: pd.DataFrame
    layer_gaps: pd.DataFrame  # change at the last layer minus change at the middle one
    ratios: pd.DataFrame
    controls: pd.DataFrame
    machines: pd.DataFrame  # `machines.by_kind`: no rows if all processes ran on one kind of processor
    effects: pd.DataFrame
    exits: exit_effects.Recorded | None  # None if the study has no early exit
    exit_controls: pd.DataFrame  # of `exit_clock.controls`
    exit_effects: pd.DataFrame  # of early exit on latency and quality
    exit_outcomes: pd.DataFrame  # of `exit_outcomes.outcomes`: at thresholds fixed, chosen, and kept
    exit_frontier: pd.DataFrame  # of `exit_frontier.equal_accuracy`
    form_ratios: pd.DataFrame  # of `forms.ratios`: other forms of a checkpoint, with the settings that can be used
    form_controls: pd.DataFrame
    form_gains: pd.DataFrame  # of `forms.gains`
    best_layers: pd.DataFrame  # of `best_layer.changes`
    throughput: pd.DataFrame  # of `throughput.ratios`
    premiums: pd.DataFrame
    learned: learning.Learned

    @property
    def study(self) -> dict:
        return self.provenance["study"]

    @property
    def timed(self) -> bool:
        """Whether the study was timed; if not, nothing may be said about latency."""
        return provenance.timed(self.provenance)

    @property
    def unofficial(self) -> dict[str, str]:
        """Target -> metric, of targets whose tables lack the official one and that are read by another."""
        scores = self.tables["scores"]
        read = {target: quality.metric_of(target, scores) for target in self.study["targets"]}
        return {target: metric for target, metric in read.items() if metric != task(target).metric}

    @property
    def depth(self) -> int:
        return self.provenance["encoder"]["layers"]

    @property
    def middle(self) -> int:
        """The layer that stands for the middle, fixed before any data."""
        return hypotheses.middle(self.depth)

    @property
    def longest(self) -> int:
        """The longest duration of any intermediate task."""
        return max(self.longest_of(name) for name in self.intermediates)

    def longest_of(self, intermediate: str) -> int:
        """The longest duration of one intermediate task."""
        return (self.study["intermediate"][intermediate]["durations"] or self.study["durations"])[-1]

    @property
    def durations(self) -> list[int]:
        """Every duration of any intermediate task, 0 first."""
        arms = [arm["durations"] or self.study["durations"] for arm in self.study["intermediate"].values()]
        return sorted({duration for durations in arms for duration in durations})

    @property
    def intermediates(self) -> list[str]:
        return list(self.study["intermediate"])

    @property
    def usable_timings(self) -> pd.DataFrame:
        """The timings of settings of engine and batch size whose controls passed."""
        kept = self.controls[self.controls.usable][latency.SETTING]
        return self.tables["timings"].merge(kept, on=latency.SETTING)

    @property
    def exits_unusable(self) -> str:
        """What is wrong with the timings of early exit one request at a time, on which all claims rest; "" if nothing is."""
        return "; ".join(self.exit_controls[self.exit_controls.batch_size == 1].reason)

    @property
    def balanced_timings(self) -> pd.DataFrame:
        """The timings of engines whose controls passed at every batch size."""
        passed = self.controls.groupby("engine").usable.all()
        return self.tables["timings"][self.tables["timings"].engine.map(passed)]

    @cached_property
    def exit_points(self) -> pd.DataFrame:
        """Quality of every threshold and fixed depth, of `exit_effects.frontier`, by the clock if it can be used; no rows
        without exits.
        """
        if self.exits is None:
            return pd.DataFrame()
        clocked = self.timed and not self.exits_unusable
        return exit_effects.frontier(self.exits, self.tables["exit_timings"] if clocked else None)

    @cached_property
    def variance(self) -> pd.DataFrame:
        """Shares of the variance of latency, of `factors.shares`."""
        return factors.shares(self.balanced_timings)

    @property
    def exits_learned(self) -> bool:
        """Whether the model with exits is not below its floor, so that effects of early exit count."""
        exits = self.study["inference"]["exits"]
        return not exits or learning.exits(self.tables["exits"], exits["target"]) != NOT_LEARNED

    def verdict(self, target: str, intermediate: str, low: float, high: float) -> Verdict:
        """On a change of quality with this interval: the only verdict that is said of it.

        No margin is registered for quality, so that none is called equivalent.
        """
        if not (self.learned.target(target) and self.learned.arm(intermediate)):
            return Verdict(NOT_LEARNED)
        return with_seeds(of_interval(low, high), self.seeds_of(intermediate), hypotheses.LEAST_SEEDS)

    def seeds_of(self, intermediate: str) -> int:
        """How many seeds an intermediate task has."""
        return len(self.study["intermediate"].get(intermediate, {}).get("seeds") or self.study["seeds"])

    @property
    def fewest_seeds(self) -> int:
        """Seeds of the intermediate task that has fewest."""
        return min(map(self.seeds_of, self.study["intermediate"]))

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Per (target, intermediate, duration) difference, low and high of `changes`, mean over languages, and the `verdict`,
        its `direction` and `half_width`.
        """
        rows = self.changes[(self.changes.language == MEAN) & (self.changes.intermediate != CONTROL)]
        rows = rows[[*learning.MODEL, "difference", "low", "high"]].reset_index(drop=True)
        given = [self.verdict(row.target, row.intermediate, row.low, row.high) for row in rows.itertuples()]
        columns = {"verdict": "kind", "direction": "direction", "half_width": "half_width"}
        return rows.assign(**{column: [getattr(one, name) for one in given] for column, name in columns.items()})

    def mean_change(self, target: str, intermediate: str, duration: int) -> pd.Series:
        """Change against duration 0, mean over languages: difference, low, high."""
        rows = self.changes.query("language == @MEAN and target == @target and intermediate == @intermediate")
        return rows[rows.duration == duration].iloc[0]

    def mean_over_control(self, target: str, intermediate: str) -> pd.Series | None:
        """Arm minus control at the arm's longest duration, mean over languages; None if there is no such control."""
        rows = self.over_control.query("language == @MEAN and target == @target and intermediate == @intermediate")
        rows = rows[rows.duration == self.longest_of(intermediate)]
        return rows.iloc[0] if len(rows) else None


def analyse(folder: Path | str) -> Findings:
    """Analyse the tables below a folder. Raises RecordError if one is missing; see `study_tables.read`."""
    about = provenance.read(folder)
    tables = study_tables.read(folder, about)
    depth, study = about["encoder"]["layers"], about["study"]
    primary, scores = quality.primary_metric(tables["items"]), quality.primary_metric(tables["scores"])
    last = primary[primary.layer == depth]
    level = 1 - 0.05 / (len(study["targets"]) * len(study["intermediate"]))  # Bonferroni
    timed = provenance.timed(about)
    recorded, exit_controls = _recorded(tables, study, timed), exit_clock.controls(tables["exit_timings"])
    formed = forms.ratios(tables["form_timings"], study["inference"]["margin"], study["inference"]["planted"])
    by_layer = quality.by_layer(primary, depth)
    by_layer["layers"] = quality.with_scores(by_layer["layers"], scores)
    return Findings(
        provenance=about,
        tables=tables,
        quality=bootstrap.bootstrap_scores(last),
        **quality.changes(last, level),
        **by_layer,
        **_latency(tables, study["inference"], about.get("made", {})),
        seeds=quality.seed_scores(scores[scores.layer == depth]),
        exits=recorded,
        exit_controls=exit_controls,
        exit_effects=_exit_effects(recorded, tables["exit_timings"] if timed else None, study),
        **_exit_estimands(recorded, exit_controls, tables["exit_timings"] if timed else None, study),
        form_ratios=formed[0],
        form_controls=formed[1],
        form_gains=forms.gains(tables["form_scores"]),
        best_layers=_best_layers(scores, study["intermediate"]),
        throughput=throughput.ratios(tables["scenarios"]),
        premiums=factors.premiums(tables["fertility"]),
        learned=_learned(tables, study, depth),
    )


def _learned(tables: dict[str, pd.DataFrame], study: dict, depth: int) -> learning.Learned:
    tasks = {name: trained_on(name, arm) for name, arm in study["intermediate"].items()}
    return learning.Learned(
        learning.models(tables["scores"], list(study["targets"]), depth),
        learning.arms(tables["validation"], tables["training"], tasks),
    )


def _latency(tables: dict[str, pd.DataFrame], timing: dict, made: dict) -> dict[str, pd.DataFrame]:
    """Ratios of latency, the verdicts of the controls and the effects of every process; no rows without timings."""
    effects = latency.process_effects(latency.block_ratios(tables["timings"]))
    _check_stalls(tables["timings"], tables["noise"])
    if tables["timings"].empty and tables["noise"].empty:
        ratios = latency.ratio_table(effects, timing["margin"])
        judged = controls.control_verdicts(effects, tables["noise"], timing["margin"], timing["planted"]).astype(
            {"usable": bool}
        )
    else:
        faults = controls.faults(tables["outputs"], tables["fidelity"])
        given = tables["timings"], tables["noise"], timing["margin"], timing["planted"], faults
        ratios, judged = controls.latency_verdicts(*given)
    able = pd.MultiIndex.from_frame(judged[judged.usable][latency.SETTING])
    usable = effects[pd.MultiIndex.from_frame(effects[latency.SETTING]).isin(able)]
    by_kind = machines.by_kind(usable, machines.kinds(tables["timings"], made), timing["margin"])
    return {"ratios": ratios, "controls": judged, "machines": by_kind, "effects": effects}


def _check_stalls(timings: pd.DataFrame, noise: pd.DataFrame) -> None:
    """The stalled blocks are those that were counted when the study was timed. Raises RecordError."""
    if timings.empty:
        return
    both = noise.merge(latency.stalled_blocks(timings), on=latency.PROCESS, suffixes=("", "_seen"))
    wrong = both[both.stalled != both.stalled_seen]
    if len(wrong):
        row = wrong.iloc[0]
        raise RecordError(
            f"table noise: stalled is {row.stalled} of {row.blocks} blocks in replicate {row.replicate}, engine {row.engine}, "
            f"batch_size {row.batch_size}, and {row.stalled_seen} by the timings; restore the tables, or time the study again"
        )


def _recorded(tables: dict[str, pd.DataFrame], study: dict, timed: bool) -> exit_effects.Recorded | None:
    """The answers of the exits: over the durations that were timed, or of a study that was not timed at all."""
    if tables["exits"].empty or (timed and tables["exit_timings"].empty):
        return None
    return exit_effects.Recorded.read(tables["exits"], next(iter(study["intermediate"])))


def _exit_effects(recorded: exit_effects.Recorded | None, timings: pd.DataFrame | None, study: dict) -> pd.DataFrame:
    if recorded is None:
        return pd.DataFrame(columns=["rule", "duration", "ratio", "low", "high"])
    return exit_effects.effects(recorded, timings, study["inference"]["exits"]["points_lost"])


def _exit_estimands(
    recorded: exit_effects.Recorded | None, judged: pd.DataFrame, timings: pd.DataFrame | None, study: dict
) -> dict[str, pd.DataFrame]:
    """Early exit at given thresholds and at equal accuracy; the latter by the clock only if its timings can be used."""
    if recorded is None:
        return {
            "exit_outcomes": pd.DataFrame(columns=["rule", "duration"]),
            "exit_frontier": pd.DataFrame(columns=exit_frontier.COLUMNS),
        }
    usable = timings is not None and judged.usable[judged.batch_size == 1].all()
    return {
        "exit_outcomes": exit_outcomes.outcomes(recorded, timings, study["inference"]["exits"]["points_lost"]),
        "exit_frontier": exit_frontier.equal_accuracy(recorded, timings if usable else None),
    }


def _best_layers(scores: pd.DataFrame, intermediate: dict) -> pd.DataFrame:
    """Retrieval from the best layer, after each intermediate task."""
    kept = scores.target.isin([name for name in scores.target.unique() if not task(name).trainable])
    return best_layer.changes(scores[kept & scores.intermediate.isin([PRETRAINED, *intermediate])], PRETRAINED)


TRIVIAL = ("majority", "chance")  # of every task, the baseline that reads nothing


def above_control(findings: Findings, target: str, intermediate: str) -> bool | None:
    """Whether an arm at its longest duration is above the control that spends its steps on the target; None without one."""
    row = findings.mean_over_control(target, intermediate)
    return None if row is None else bool(row.low > 0)


def above_shortcuts(findings: Findings) -> dict[str, bool]:
    """Target -> whether a model of it, at duration 0, is above its best shortcut in English and a trivial one in most
    languages.
    """
    return {target: well for target, well, _ in beside_shortcuts(findings)}


def beside_shortcuts(findings: Findings) -> Iterator[tuple[str, bool, str]]:
    """(target, whether it is above its shortcuts, how they compare) of every target."""
    shortcuts = findings.tables["shortcuts"]
    best = shortcuts.groupby(["target", "language"]).score.max()
    trivial = shortcuts[shortcuts.baseline.isin(TRIVIAL)].set_index(["target", "language"]).score
    for target in findings.study["targets"]:
        rows = findings.quality[(findings.quality.target == target) & (findings.quality.duration == 0)]
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
