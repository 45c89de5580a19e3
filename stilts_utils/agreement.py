"""Whether a timed engine decided as it should: what else than slow can be wrong with a timing. Pure, of data frames."""

import pandas as pd

from stilts_utils.deployments import ENGINES, REFERENCE
from stilts_utils.statistics import CONTROLS

LEAST = 0.95  # share of decisions in which an engine that is meant to be exact must agree with the reference


def faults(outputs: pd.DataFrame, fidelity: pd.DataFrame) -> dict[tuple[str, int], str]:
    """(engine, batch_size) -> why its timings cannot be used, for those of which that is so.

    The controls have the weights of duration 0, so in every process they must decide as it does (`sha256`); an exact
    engine must agree with the reference in `LEAST` of the decisions in every language, at every duration and seed.
    """
    of_zero = outputs[(outputs.condition == "0") | outputs.condition.isin(CONTROLS)]
    differing = of_zero.groupby(["engine", "batch_size", "replicate"]).sha256.nunique().gt(1)
    found = {key[:2]: "controls decide otherwise than duration 0" for key, differs in differing.items() if differs}
    lowest = fidelity.groupby("engine").agreement.min()
    for engine, size in outputs[["engine", "batch_size"]].drop_duplicates().itertuples(index=False, name=None):
        if ENGINES[engine].exact and lowest.get(engine, 1.0) < LEAST:
            found[engine, size] = f"agrees with {REFERENCE.name} in {100 * lowest[engine]:.1f} % only"
    return found
