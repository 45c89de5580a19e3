"""Tables of early exit as a study would have stored them."""

import numpy as np
import pandas as pd

from stilts_utils.analysis import exit_rules

LAYERS = (3, 6, 9, 12)
START, SLOPE = {"en": 0.002, "sw": 0.003, "de": 0.002}, {"en": 0.001, "sw": 0.0015, "de": 0.001}


def rows_of(confidence, correct, split, language, duration, seed, prefix="", layers=LAYERS):
    """Rows of `exits` from (rows, exits) arrays."""
    items, places = np.indices(np.shape(confidence))
    return pd.DataFrame(
        {
            "intermediate": "nli" if duration else "none",
            "duration": duration,
            "seed": seed,
            "target": "xnli",
            "language": language,
            "split": split,
            "item": [f"{prefix}{item:04d}" for item in items.ravel()],
            "layer": np.take(layers, places.ravel()),
            "confidence": np.ravel(confidence).astype(float),
            "correct": np.ravel(correct).astype(float),
        }
    )


def drawn_exits(languages=("en", "sw"), durations=(0, 8), seeds=(1, 2), rows=24, calibration=60, shared=True, key=0):
    """Random answers: deeper exits are surer and more often right."""
    rng, frames = np.random.default_rng(key), []
    parts = [("calibration", "en", calibration), *(("evaluation", language, rows) for language in languages)]
    for split, language, count in parts:
        hard = rng.random((count, 1))
        for duration in durations:
            for seed in seeds:
                confidence = np.clip(np.linspace(0.5, 0.9, 4) - 0.4 * hard + rng.normal(0.2, 0.15, (count, 4)), 0.3, 1)
                correct = rng.random((count, 4)) < np.linspace(0.55, 0.8, 4)
                prefix = "" if shared or split == "calibration" else language
                frames.append(rows_of(confidence, correct, split, language, duration, seed, prefix))
    return pd.concat(frames, ignore_index=True)


def timings_of(
    depth=None, languages=("en", "sw"), durations=(0, 8), replicates=3, blocks=4, requests=2, noise=0.0, sizes=(1, 4)
):
    """Rows of `exit_timings`: start + slope * layers by language. `depth`: (rule, duration) -> layers of a sentence."""
    depth = depth or {(rule, duration): 6 for rule in exit_rules.RULES for duration in durations}
    depth |= {(f"layer-{layer}", duration): layer for layer in LAYERS for duration in durations}
    rng, rows = np.random.default_rng(0), []
    for replicate in range(replicates):
        for block in range(blocks):
            for position, ((rule, duration), layers) in enumerate(depth.items()):
                for size in sizes:
                    for language in languages:
                        seconds = START[language] + size * SLOPE[language] * layers
                        for request in range(requests):
                            rows.append(
                                {
                                    "replicate": replicate,
                                    "seed": 1 + replicate % 2,
                                    "target": "xnli",
                                    "engine": "exit",
                                    "batch_size": size,
                                    "block": block,
                                    "position": position,
                                    "rule": rule,
                                    "duration": duration,
                                    "language": language,
                                    "request": request,
                                    "sentences": size,
                                    "tokens": 20 * size,
                                    "layers": layers * size,
                                    "seconds": seconds * (1 + 0.01 * replicate) * np.exp(noise * rng.normal()),
                                    "disturbed": False,
                                }
                            )
    return pd.DataFrame(rows)
