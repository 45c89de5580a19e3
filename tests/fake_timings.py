"""The part of the fake study that is on dense latency: timings, noise, outputs, engines and fidelity."""

from itertools import product

import numpy as np
import pandas as pd

PROCESSES = (101, 201, 102, 202)
LATENCY = {"16": 1.004, "planted": 1.02}


def timings() -> pd.DataFrame:
    """Four processes whose effects of a condition are its own and -.1, .1, -.05, .05 %; one block stalls."""
    rows = []
    for replicate, engine, size in product(range(4), ("fp32", "bf16"), (1, 4)):
        base = 0.02 * size * (0.5 if engine == "bf16" else 1.0)
        for block, (position, condition) in product(range(10), enumerate(("0", "4", "16", "a/a", "planted"))):
            seconds = base * LATENCY.get(condition, 1.0) * (1 + 0.01 * block)
            if condition != "0":
                seconds *= np.exp((-0.001, 0.001, -0.0005, 0.0005)[replicate])
            if (replicate, engine, size, block, condition) == (0, "fp32", 1, 3, "16"):
                seconds *= 5
            for language in ("en", "de"):
                rows.append(
                    {
                        **_process(replicate, engine, size),
                        "block": block,
                        "position": position,
                        "condition": condition,
                        "duration": int(condition) if condition.isdigit() else 0,
                        "language": language,
                        "sentences": size,
                        "tokens": 20 * size,
                        "padded": 25 * size,
                        "tokenise_s": 0.1 * seconds,
                        "forward_s": 0.8 * seconds,
                        "decode_s": 0.1 * seconds,
                    }
                )
    return pd.DataFrame(rows)


def _process(replicate: int, engine: str, size: int) -> dict:
    seed = 1 + replicate % 2
    return {"replicate": PROCESSES[replicate], "seed": seed, "target": "mc_facts", "engine": engine, "batch_size": size}


def noise() -> pd.DataFrame:
    return pd.DataFrame(
        {
            **_process(replicate, engine, size),
            "blocks": 10,
            "stalled": int((replicate, engine, size) == (0, "fp32", 1)),
            "foreign_share": 0.01 * (1 + replicate),
            "steal_share": 0.0,
            "load": 0.25,
            "disturbed": False,
        }
        for replicate, engine, size in product(range(4), ("fp32", "bf16"), (1, 4))
    )


def outputs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            **_process(replicate, engine, size),
            "condition": condition,
            "duration": int(condition) if condition.isdigit() else 0,
            "sha256": f"{engine}{condition if condition.isdigit() else 0}",
        }
        for replicate, engine, size, condition in product(
            range(4), ("fp32", "bf16"), (1, 4), ("0", "4", "16", "a/a", "planted")
        )
    )


def engines() -> pd.DataFrame:
    """Both engines were readied in 2 and 4 s; a third could not run."""
    rows = [(name, seconds, "") for name, seconds in (("fp32", 2.0), ("bf16", 4.0))] + [("ort", 0.0, "not here")]
    return pd.DataFrame(
        {
            "replicate": PROCESSES[r],
            "seed": 1 + r % 2,
            "target": "mc_facts",
            "engine": name,
            "prepare_s": s,
            "reason": reason,
        }
        for r, (name, s, reason) in product(range(4), rows)
    )


def fidelity(items: int) -> pd.DataFrame:
    """fp32 is the reference; bf16 agrees in 97 % of English rows, and in 96 and 100 % of German ones."""
    agreement = {("bf16", "en"): (0.97, 0.97), ("bf16", "de"): (0.96, 1.0)}
    return pd.DataFrame(
        {
            "seed": seed,
            "target": "mc_facts",
            "engine": engine,
            "duration": duration,
            "language": language,
            "items": items,
            "largest_difference": 0.25 * (engine == "bf16"),
            "agreement": agreement.get((engine, language), (1.0, 1.0))[seed - 1],
        }
        for engine, language, duration, seed in product(("fp32", "bf16"), ("en", "de"), (0, 4, 16), (1, 2))
    )
