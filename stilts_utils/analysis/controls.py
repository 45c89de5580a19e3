"""Which timings can be used: the controls that make ratios of latency believable, and the verdicts that they leave.

Pure functions over the tables `timings`, `noise`, `outputs` and `fidelity`, by the ratios of `latency`.
"""

import numpy as np
import pandas as pd

from stilts_utils.analysis.latency import (
    CONDITION,
    CONTROLS,
    FEWEST_BLOCKS,
    PLANTED,
    RATIOS,
    SAME,
    SETTING,
    ZERO,
    block_ratios,
    equivalence_p,
    interval,
    process_effects,
    ratio_table,
)
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.study.engines import ENGINES, REFERENCE

ROUNDING = 1e-9  # of effects without any spread, whose interval is a point
LEAST = 0.95  # share of decisions in which an engine that is meant to be exact must agree with the reference


def control_verdicts(
    effects: pd.DataFrame,
    noise: pd.DataFrame,
    margin: float,
    planted: float,
    faults: dict[tuple[str, int], str] | None = None,
) -> pd.DataFrame:
    """Whether the timings of each (engine, batch_size) can be used at all.

    margin: of equivalence; planted: the known slow-down of the planted condition; both as fractions. Usable when all of these
    hold:

    - the 99 % interval of the A/A ratio, aa_low to aa_high, covers 1, and the A/A ratio is itself equivalent to 1 within the
      margin (two one-sided tests at 5 %): a setting that cannot show that a checkpoint is as fast as itself decides nothing;
    - the planted slow-down is found, two-sided: the 95 % interval of its ratio, planted_low to planted_high, excludes 1, and
      the 99 % interval covers 1 + planted. One that reads too small would shrink a true effect likewise, and equivalence would
      be cheap; one that reads too large would make a difference cheap;
    - every process has 3 or more blocks left that did not stall;
    - the noise of every process was recorded and none was disturbed;
    - the setting has no entry in `faults`: (engine, batch_size) -> any other fault of its timings.

    Returns also planted_ratio, disturbed, usable, and reason, the failures ("" if there are none). A control that was timed
    in fewer than 2 processes fails. Settings of the noise count, too, so that one whose blocks all stalled is seen.
    """
    settings = pd.concat([effects[SETTING], noise[SETTING]]).drop_duplicates().sort_values(SETTING)
    rows = []
    for engine, batch_size in settings.itertuples(index=False, name=None):
        here = effects[(effects.engine == engine) & (effects.batch_size == batch_size)]
        watched = noise[(noise.engine == engine) & (noise.batch_size == batch_size)]
        same = here.effect[here.condition == SAME].to_numpy()
        slowed = here.effect[here.condition == PLANTED].to_numpy()
        aa_low, aa_high = interval(same, 0.99)
        low, high = interval(slowed, 0.95)
        least, most = interval(slowed, 0.99)
        disturbed = bool(watched.disturbed.any())
        failures = {
            "A/A timed in fewer than 2 processes": len(same) < 2,
            "A/A ratio does not cover 1": not aa_low <= 1 <= aa_high,
            f"A/A is not equivalent within ±{100 * margin:g} %": len(same) >= 2
            and aa_low <= 1 <= aa_high
            and equivalence_p(same, margin) >= 0.05,
            "planted slow-down timed in fewer than 2 processes": len(slowed) < 2,
            "planted slow-down not found": len(slowed) >= 2 and low <= 1,
            "planted slow-down reads too small": most < (1 + planted) * (1 - ROUNDING),
            "planted slow-down reads too large": least > (1 + planted) * (1 + ROUNDING),
            "too few blocks left in a process": not set(watched.replicate) <= set(here.replicate)
            or here.blocks.min() < FEWEST_BLOCKS,
            "noise not recorded": not set(here.replicate) <= set(watched.replicate),
            "disturbed": disturbed,
        }
        fault = (faults or {}).get((engine, batch_size), "")
        reason = reasons(failures | {fault: fault})
        ratio = float(np.exp(slowed.mean())) if len(slowed) else np.nan
        rows.append((engine, batch_size, aa_low, aa_high, ratio, low, high, disturbed, not reason, reason))
    names = ["aa_low", "aa_high", "planted_ratio", "planted_low", "planted_high", "disturbed", "usable", "reason"]
    return pd.DataFrame(rows, columns=[*SETTING, *names])


def reasons(failures: dict[str, object]) -> str:
    """The failures that hold, as one text."""
    return "; ".join(failure for failure, holds in failures.items() if holds)


def latency_verdicts(
    timings: pd.DataFrame,
    noise: pd.DataFrame,
    margin: float,
    planted: float,
    faults: dict[tuple[str, int], str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`ratio_table` and `control_verdicts` of a study's timings.

    Durations of an unusable (engine, batch_size) have the verdict "not measured". They stay in Holm's family, which was
    fixed before any data was seen; so do those of a setting whose blocks all stalled, with 0 processes and no ratio.
    """
    effects, keys = process_effects(block_ratios(timings)), [*SETTING, *CONDITION]
    timed = timings.loc[timings.condition != ZERO, keys].drop_duplicates()
    left = pd.MultiIndex.from_frame(effects[keys])
    lost = timed[~pd.MultiIndex.from_frame(timed).isin(left)]
    lost = lost.assign(processes=0, p_equivalence=1.0, p_holm=1.0, p_different=1.0)
    lost.loc[lost.condition.isin(CONTROLS), "p_holm"] = np.nan
    ratios = ratio_table(effects, margin, lost=int((~lost.condition.isin(CONTROLS)).sum()))
    if len(lost):
        verdict = np.where(lost.condition.isin(CONTROLS), "control", NOT_MEASURED)
        ratios = pd.concat([ratios, lost.assign(verdict=verdict)], ignore_index=True)
        ratios = ratios.astype(dict.fromkeys(RATIOS, float))  # without any ratio they have no type
        ratios = ratios.sort_values([*SETTING, "duration", "condition"], ignore_index=True)
    controls = control_verdicts(effects, noise, margin, planted, faults)
    usable = ratios[SETTING].merge(controls, on=SETTING, how="left").usable.to_numpy(dtype=bool)
    ratios.loc[~usable & ~ratios.condition.isin(CONTROLS), "verdict"] = NOT_MEASURED
    return ratios, controls


def faults(outputs: pd.DataFrame, fidelity: pd.DataFrame) -> dict[tuple[str, int], str]:
    """(engine, batch_size) -> why its timings cannot be used; settings without a fault are left out.

    The controls have the weights of duration 0, so in every process they must decide as it does (`sha256`); an exact
    engine must agree with the reference in `LEAST` of the decisions in every language, at every duration and seed.
    """
    same_weights = outputs[outputs.condition.isin([ZERO, *CONTROLS])]
    differing = same_weights.groupby([*SETTING, "replicate"]).sha256.nunique().gt(1).groupby(SETTING).any()
    lowest, texts = fidelity.groupby("engine").agreement.min(), {}
    for engine, size in outputs[SETTING].drop_duplicates().itertuples(index=False, name=None):
        agreed = lowest.get(engine)
        failures = {
            "controls decide otherwise than duration 0": differing.get((engine, size), False),
            f"not compared with {REFERENCE.name}": agreed is None,
            f"agrees with {REFERENCE.name} in {100 * (agreed or 0):.1f} % only": agreed is not None
            and below(engine, agreed),
        }
        texts[engine, size] = reasons(failures)
    return {setting: text for setting, text in texts.items() if text}


def below(engine: str, agreed: float) -> bool:
    """Whether an engine that is meant to be exact agrees in less than `LEAST` of the decisions."""
    return ENGINES[engine].exact and agreed < LEAST
