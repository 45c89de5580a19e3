"""Findings of a study of several arms, whose gains and costs are known."""

import dataclasses

import pandas as pd
import pytest

SEEDS = range(1, 6)
FACTS = {
    "plain": {},
    "dear": {},  # twice the operations for each step
    "attacked": {"method": "adversarial", "phase": "target"},
    "still": {},
}


@pytest.fixture
def several(found):
    """Five seeds: plain gains 4 points at 4 steps and 8 at 16, dear 12 at 16, the control 1 and attacked 3 at 16."""
    gains = {("plain", 4): 4.0, ("plain", 16): 8.0, ("dear", 4): 2.0, ("dear", 16): 12.0, ("still", 16): 0.0}
    gains |= {("target", 16): 1.0, ("attacked", 16): 3.0}
    runs = [("none", 0, seed, 50.0 + seed) for seed in SEEDS]
    runs += [(*run, seed, 50.0 + seed + gain + 0.1 * (seed - 3)) for run, gain in gains.items() for seed in SEEDS]
    scores = pd.DataFrame(runs, columns=["intermediate", "duration", "seed", "score"]).assign(target="mc_facts")
    each = {"plain": ("none", 1e9), "dear": ("none", 2e9), "target": ("mc_facts", 1e9), "attacked": ("mc_facts", 4e9)}
    spent = [
        (arm, duration, seed, target, duration, 4 * duration, 100 * duration, flop * duration)
        for arm, (target, flop) in each.items()
        for duration in (4, 16)
        for seed in SEEDS
    ]
    columns = ["intermediate", "duration", "seed", "target", "steps", "examples", "tokens", "operations"]
    facts = {arm: {"durations": None, "tasks": [], "seeds": list(SEEDS), **fact} for arm, fact in FACTS.items()}
    study = found.study | {"intermediate": facts, "durations": [0, 4, 16], "seeds": list(SEEDS)}
    learned = dataclasses.replace(found.learned, arms=found.learned.arms.iloc[:0], models=found.learned.models.iloc[:0])
    costs = pd.DataFrame(
        [("2_intermediate", "plain-s1", "train", 10.0), ("2_intermediate", "plain-s2", "train", 14.0)],
        columns=["phase", "run", "part", "seconds"],
    )
    tables = found.tables | {"arms": pd.DataFrame(spent, columns=columns), "costs": costs}
    return dataclasses.replace(
        found, seeds=scores, tables=tables, learned=learned, provenance=found.provenance | {"study": study}
    )
