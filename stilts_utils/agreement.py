"""Whether a timed engine decided as it should: what else than slow can be wrong with a timing. Pure, of data frames."""

import pandas as pd

from stilts_utils.deployments import ENGINES, REFERENCE
from stilts_utils.statistics import CONTROLS, SETTING

LEAST = 0.95  # share of decisions in which an engine that is meant to be exact must agree with the reference


def faults(outputs: pd.DataFrame, fidelity: pd.DataFrame) -> dict[tuple[str, int], str]:
    """(engine, batch_size) -> why its timings cannot be used, for those of which that is so.

    The controls have the weights of duration 0, so in every process they must decide as it does (`sha256`); an exact
    engine must agree with the reference in `LEAST` of the decisions in every language, at every duration and seed.
    """
    of_zero = outputs[(outputs.condition == "0") | outputs.condition.isin(CONTROLS)]
    differing = of_zero.groupby([*SETTING, "replicate"]).sha256.nunique().gt(1).groupby(SETTING).any()
    lowest, found = fidelity.groupby("engine").agreement.min(), {}
    for engine, size in outputs[SETTING].drop_duplicates().itertuples(index=False, name=None):
        agreed = lowest.get(engine)
        failures = {
            "controls decide otherwise than duration 0": differing.get((engine, size), False),
            f"not compared with {REFERENCE.name}": agreed is None,
            f"agrees with {REFERENCE.name} in {100 * (agreed or 0):.1f} % only": agreed is not None
            and below(engine, agreed),
        }
        if reasons := [failure for failure, holds in failures.items() if holds]:
            found[engine, size] = "; ".join(reasons)
    return found


def below(engine: str, agreed: float) -> bool:
    """Whether an engine that is meant to be exact agrees in less than `LEAST` of the decisions."""
    return ENGINES[engine].exact and agreed < LEAST
