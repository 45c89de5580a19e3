"""Retrieval from the best layer of each checkpoint, chosen so that the choice does not flatter it. Pure.

The best layer of a checkpoint is chosen on one half of the languages and scored on the other, and the other way round:
languages at even and at odd places of their alphabetical order. Choosing and scoring on the same rows would favour whatever
has more layers that are about equally good.
"""

import pandas as pd

from stilts_utils.analysis.seed_interval import paired

CELL = ["target", "intermediate", "duration", "seed"]
COLUMNS = ["target", "intermediate", "duration", "score", "difference", "low", "high", "layers", "layers_before"]


def chosen(scores: pd.DataFrame) -> pd.DataFrame:
    """Per (target, intermediate, duration, seed): `score` (0-100), mean over languages, at the layer that is best on the other
    half of the languages, and `layers`, the two layers chosen.

    `scores`: of one metric a target, with every layer. A target of one language has no halves and no row.
    """
    rows = []
    for key, cell in scores.groupby(CELL):
        wide = cell.pivot(index="language", columns="layer", values="score").sort_index()
        halves = wide.iloc[::2], wide.iloc[1::2]
        if halves[1].empty:
            continue
        best = [half.mean().idxmax() for half in halves]
        held_out = [halves[1][best[0]], halves[0][best[1]]]
        rows.append((*key, float(pd.concat(held_out).mean()), tuple(sorted(set(map(int, best))))))
    return pd.DataFrame(rows, columns=[*CELL, "score", "layers"])


def changes(scores: pd.DataFrame, pretrained: str) -> pd.DataFrame:
    """Per (target, intermediate, duration above 0): best layer against best layer of duration 0, in points, paired by seed,
    with a t interval over seeds, of the items that were scored, at 95 % and Bonferroni over pairs of target and intermediate
    task; `score`, and `layers` that were chosen, there and before.
    """
    rows, best = [], chosen(scores)
    pairs = best[best.intermediate != pretrained][["target", "intermediate"]].drop_duplicates()
    level = 1 - 0.05 / max(1, len(pairs))
    start = best[best.intermediate == pretrained].set_index(["target", "seed"])
    for key, arm in best[best.intermediate != pretrained].groupby(CELL[:-1]):
        own = arm.set_index(["target", "seed"])
        before = start.loc[own.index]
        numbers = paired((own.score - before.score).to_numpy(), level=level)
        layers = [sorted({layer for pair in one.layers for layer in pair}) for one in (own, before)]
        rows.append((*key, own.score.mean(), *numbers, *layers))
    return pd.DataFrame(rows, columns=COLUMNS)
