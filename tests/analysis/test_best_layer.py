import numpy as np
import pandas as pd
import pytest

from stilts_utils.analysis import best_layer
from stilts_utils.study.settings import PRETRAINED


def scored(by_layer, languages=("ar", "de", "sw", "zh"), duration=0, seed=1, target="tatoeba"):
    """Scores of layers, the same in every language, or a dictionary of them."""
    arm = PRETRAINED if duration == 0 else "mnli"
    run = {"intermediate": arm, "duration": duration, "seed": seed, "target": target}
    rows = []
    for language in languages:
        own = by_layer[language] if isinstance(by_layer, dict) else by_layer
        rows += [{**run, "language": language, "layer": n, "score": float(score)} for n, score in enumerate(own)]
    return pd.DataFrame(rows)


def test_the_layer_is_chosen_on_the_other_half_of_the_languages():
    of_first, of_second = [0, 10, 30], [0, 20, 5]  # ar and sw are best at layer 2, de and zh at layer 1
    made = scored({"ar": of_first, "de": of_second, "sw": of_first, "zh": of_second})
    row = best_layer.chosen(made).iloc[0]
    assert row.layers == (1, 2) and row.score == np.mean([10, 10, 5, 5])


def test_the_change_is_paired_by_seed():
    rows = []
    for seed, lost in ((1, 4), (2, 6)):
        rows += [scored([1, 50, 60], seed=seed), scored([1, 60 - lost, 20], duration=8, seed=seed)]
    row = best_layer.changes(pd.concat(rows), PRETRAINED).iloc[0]
    assert (row.score, row.difference, row.layers, row.layers_before) == (55, -5, [1], [2])
    half = 12.706 * np.std([4, 6], ddof=1) / np.sqrt(2)
    assert [row.low, row.high] == pytest.approx([-5 - half, -5 + half], rel=1e-3)


def test_equal_layers_do_not_change_and_noise_is_not_rewarded():
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        languages = [f"l{number:02}" for number in range(20)]
        start = scored([50] * 12, languages)
        noisy = scored({name: 50 + rng.normal(0, 5, 12) for name in languages}, languages, duration=8)
        found.append(best_layer.changes(pd.concat([start, noisy]), PRETRAINED).difference.item())
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)  # the best of 12 layers on all rows would gain about 2


def test_one_language_has_no_halves():
    assert best_layer.chosen(scored([1, 2], ("sw",))).empty
    assert best_layer.changes(scored([1, 2], ("sw",)), PRETRAINED).columns.tolist() == best_layer.COLUMNS
