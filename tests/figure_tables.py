"""Tables for figures to draw, generated: a study of four targets in thirteen languages, or of other numbers of them."""

import numpy as np
import pandas as pd

from stilts_utils.analysis.controls import control_verdicts
from stilts_utils.analysis.latency import PLANTED, SAME, ratio_table
from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, NOT_LEARNED, UNDECIDED
from stilts_utils.report import figures
from stilts_utils.study.settings import CONTROL, PRETRAINED

LANGUAGES = ["en", "de", "es", "ru", "el", "fi", "tr", "sw", "id", "ar", "hi", "zh", "ja"]
DURATIONS = (0, 4, 16, 64)
TARGETS = ("mc_facts", "dtag", "qa_log", "retr_bitext")
METRICS = {"mc_facts": "accuracy", "dtag": "f1", "qa_log": "qa_f1", "retr_bitext": "accuracy"}
TASKS = ("temprel",)
MARGIN = PLANTED_SHARE = 0.02


def latency_tables(durations=DURATIONS, disturbed=("bf16", 16), processes=4):
    """Effects of processes, ratios and controls, with one disturbed engine and batch size."""
    rng = np.random.default_rng(0)
    effects, noise = [], []
    for engine in ("fp32", "bf16"):
        for size in (1, 16):
            spread = 0.012 if (engine, size) == disturbed else 0.003
            for replicate in range(processes):
                keys = {"replicate": replicate, "engine": engine, "batch_size": size}
                noise.append({**keys, "disturbed": (engine, size) == disturbed and replicate == 1})
                for condition in [*map(str, durations[1:]), SAME, PLANTED]:
                    duration = int(condition) if condition.isdigit() else 0
                    centre = np.log1p(PLANTED_SHARE) if condition == PLANTED else 0.0
                    effects.append(
                        {
                            **keys,
                            "condition": condition,
                            "duration": duration,
                            "effect": rng.normal(centre, spread),
                            "blocks": 30,
                        }
                    )
    effects, noise = pd.DataFrame(effects), pd.DataFrame(noise)
    return effects, ratio_table(effects, MARGIN), control_verdicts(effects, noise, MARGIN, PLANTED_SHARE)


def timings(durations=DURATIONS):
    rng = np.random.default_rng(1)
    rows = []
    for engine, speed in (("fp32", 1.0), ("bf16", 0.45)):
        for size in (1, 16):
            for condition in [*map(str, durations), SAME, PLANTED]:
                forward = 0.018 * speed * size**0.85 * rng.normal(1, 0.01)
                rows.append(
                    {
                        "engine": engine,
                        "batch_size": size,
                        "condition": condition,
                        "tokenise_s": 0.0006 * size,
                        "forward_s": forward,
                        "decode_s": 0.00005 * size,
                    }
                )
    return pd.DataFrame(rows)


def arms(durations=DURATIONS, tasks=TASKS, control=True):
    return [(PRETRAINED, 0)] + [(t, d) for t in (*tasks, *([CONTROL] if control else [])) for d in durations[1:]]


def scores(durations=DURATIONS, targets=TARGETS, tasks=TASKS, control=True, seeds=(1, 2)):
    """Scores by seed and their means with intervals, the mean over languages."""
    rng = np.random.default_rng(2)
    rows = []
    for number, target in enumerate(targets):
        for intermediate, duration in arms(durations, tasks, control and not target.startswith("retr")):
            gain = (4 - 3 * number) * np.log1p(duration) / 4 * (0.4 if intermediate == CONTROL else 1)
            for seed in seeds:
                rows.append(
                    {
                        "intermediate": intermediate,
                        "duration": duration,
                        "seed": seed,
                        "target": target,
                        "score": np.clip(45 + 9 * (number % 4) + gain + rng.normal(0, 1.2), 0, 100),
                    }
                )
    by_seed = pd.DataFrame(rows)
    mean = by_seed.groupby(["intermediate", "duration", "target"], as_index=False, sort=False).score.mean()
    mean = mean.assign(language="mean", layer=6, low=mean.score - 2.2, high=mean.score + 2.6)
    return by_seed, mean.assign(metric=mean.target.map(METRICS).fillna("accuracy"))


def changes(durations=DURATIONS, targets=TARGETS, tasks=TASKS, control=False):
    """Changes at the longest duration with every verdict in turn; those over the control leave retrieval out."""
    kinds = (EQUIVALENT, CHANGED, UNDECIDED, NOT_LEARNED)
    rows = [
        (target, name, durations[-1], 3.0 * number - 4, 3.0 * number - 6, 3.0 * number - 1, kinds[number % 4])
        for number, target in enumerate(targets)
        for name in tasks
        if len(durations) > 1 and not (control and target.startswith("retr"))
    ]
    return pd.DataFrame(rows, columns=["target", "intermediate", "duration", "difference", "low", "high", "verdict"])


def arms_learned(tasks=TASKS):
    rows = [(name, name, "not learned", 40.0) for name in tasks]
    return pd.DataFrame(rows, columns=["intermediate", "task", "standing", "score"])


def shortcuts(targets=TARGETS):
    names = {"dtag": ("token", 34.0), "qa_log": ("overlap", 21.0)}
    rows = []
    for target in targets:
        rows += [
            (target, "chance", 25.0 if target == "mc_facts" else 0.8),
            (target, "majority", 24.0 if target == "mc_facts" else 0.0),
        ]
        rows += [(target, *names.get(target, ("character n-grams", 41.0)))]
    return pd.DataFrame(rows, columns=["target", "baseline", "score"])


def differences(durations=DURATIONS, targets=TARGETS, languages=LANGUAGES, tasks=TASKS):
    rng = np.random.default_rng(3)
    rows = [
        (task, d, target, language, rng.normal(3 - 2 * n, 4))
        for n, target in enumerate(targets)
        for task in tasks
        for d in durations[1:]
        for language in (*languages, "mean")
        if not (target == "mc_facts" and language in ("el", "en"))
    ]
    frame = pd.DataFrame(rows, columns=["intermediate", "duration", "target", "language", "difference"])
    return frame.assign(low=frame.difference - 3, high=frame.difference + 3)


def layer_changes(durations=DURATIONS, targets=("retr_bitext",), tasks=TASKS, depth=12):
    layers = np.arange(depth + 1)
    rows = [
        (name, duration, target, layer, "accuracy", -6 * np.log1p(duration) * (layer / depth) ** 4)
        for target in targets
        for name in tasks
        for duration in durations[1:]
        for layer in layers
    ]
    frame = pd.DataFrame(rows, columns=["intermediate", "duration", "target", "layer", "metric", "difference"])
    return frame.assign(low=frame.difference - 2, high=frame.difference + 2)


def training(durations=DURATIONS, targets=TARGETS[:3], tasks=TASKS, steps=50):
    rng = np.random.default_rng(4)

    def fit(intermediate, duration, seed, target, length, start):
        loss = start * np.exp(-np.arange(length) / 25) + 0.15 + rng.gamma(2, 0.03, length)
        return pd.DataFrame(
            {
                "intermediate": intermediate,
                "duration": duration,
                "seed": seed,
                "target": target,
                "step": np.arange(1, length + 1),
                "loss": loss,
            }
        )

    frames = []
    for seed in (1, 2):
        if len(durations) > 1:
            frames += [fit(task, durations[-1], seed, PRETRAINED, durations[-1], 1.1) for task in tasks]
        for target in targets:
            frames += [
                fit(*arm, seed, target, steps, 1.4 - 0.1 * np.log1p(arm[1])) for arm in arms(durations, tasks, False)
            ]
            frames.append(fit(CONTROL, durations[-1], seed, target, steps + durations[-1], 1.4))
    return pd.concat(frames, ignore_index=True)


def costs():
    rows = [
        ("1_pretrained", "baseline", "load", 4),
        ("1_pretrained", "baseline", "count", 14),
        ("1_pretrained", "baseline", "shortcuts", 25),
    ]
    for run in ("a", "b"):
        rows += [
            ("2_intermediate", run, part, s) for part, s in (("load", 4), ("data", 5), ("train", 40), ("store", 1))
        ]
    for run in "abcdefghij":
        rows += [("3_target", run, part, s) for part, s in (("load", 3), ("data", 6), ("train", 33), ("evaluate", 24))]
    rows += [("4_inference", "mc_facts", part, s) for part, s in (("load", 3), ("time", 150), ("overhead", 18))]
    return pd.DataFrame(rows, columns=["phase", "run", "part", "seconds"]).assign(steps=0, tokens=0)


def fertility(languages=LANGUAGES):
    return pd.DataFrame({"language": languages, "premium": [1.0, *np.linspace(0.93, 2.1, len(languages) - 1)]})


def variance_shares():
    """Shares of the variance of log latency, of every source."""
    share = [0.54, 0.09, 0.01, 0.0, 0.001, 0.355, 0.004]
    sources = ["engine", "language", "batch_size", "duration", "process", "interactions", "residual"]
    return pd.DataFrame({"source": sources, "share": share}).assign(
        low=lambda t: 0.9 * t.share, high=lambda t: 1.1 * t.share
    )


def frontier(durations=DURATIONS, groups=("English", "other languages")):
    """Accuracy against milliseconds of every threshold and fixed layer."""
    rows = []
    for number, duration in enumerate(durations):
        for group in groups:
            for at, depth in enumerate(np.linspace(1, 12, 23)):
                accuracy = 30 + 4 * number + 3 * depth - 10 * (group != "English")
                rows.append((duration, group, "threshold", at / 22, depth, accuracy, 1 + depth))
            for layer in (3, 6, 9, 12):
                rows.append((duration, group, "layer", layer, layer, 28 + 4 * number + 3 * layer, 1 + layer))
    frame = pd.DataFrame(rows, columns=["duration", "group", "kind", "at", "depth", "accuracy", "ms"])
    return frame.assign(low=frame.accuracy - 4, high=frame.accuracy + 4)


def validation(durations=DURATIONS, tasks=TASKS):
    rows = [
        (task, duration, seed, task, "accuracy", 50 + 2 * place + seed, 100)
        for task in tasks
        for place, duration in enumerate(durations)
        if duration
        for seed in (1, 2)
    ]
    return pd.DataFrame(rows, columns=["intermediate", "duration", "seed", "task", "metric", "score", "items"])


def everything(durations=DURATIONS, targets=TARGETS, languages=LANGUAGES, tasks=TASKS, processes=4):
    """Every figure by name."""
    effects, ratios, controls = latency_tables(durations, processes=processes)
    by_seed, mean = scores(durations, targets, tasks)
    return {
        "answer": figures.answer(ratios, controls, changes(durations, targets, tasks), MARGIN),
        "latency": figures.latency(ratios, effects, controls, MARGIN, PLANTED_SHARE),
        "parts": figures.parts(timings(durations)),
        "variance": figures.variance(variance_shares()),
        "frontier": figures.frontier(frontier(durations)),
        "quality": figures.quality(changes(durations, targets, tasks), changes(durations, targets, tasks, True)),
        "curves": figures.curves(by_seed, mean, shortcuts(targets)),
        "languages": figures.languages(differences(durations, targets[:4], languages, tasks)),
        "layers": figures.layers(layer_changes(durations, tasks=tasks)),
        "fertility": figures.fertility(fertility(languages)),
        "costs": figures.costs(costs()),
        "learning": figures.learning(training(durations, targets, tasks), arms_learned(tasks)),
        "validation": figures.validation(validation(durations, tasks)),
    }
