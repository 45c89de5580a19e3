"""The part of the fake study that is on early exit, quality by engine, scenarios and search, with known effects.

- Early exit at layers 1 and 3: half of the rows are sure at layer 1, after 16 steps three quarters, so that the mean exit
  layer falls from 2 to 1.5 and latency by 20 %. In de and sw 4 of the 40 rows are sure too early: 10 points are lost.
- bf16 loses 2 points to the reference at every duration.
"""

from itertools import product

import pandas as pd

from stilts_utils.analysis.exit_rules import RULES
from stilts_utils.study.settings import PRETRAINED
from tests.fake_timings import PROCESSES

SURE = {0: 20, 4: 20, 16: 30}  # rows that are sure at layer 1, by duration


def tables(study, items: int, depth: int, compared: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Table name -> frame. `compared` is the table `fidelity`."""
    return {
        "engine_scores": engine_scores(compared),
        "exits": exits(study, items, depth),
        "exit_timings": exit_timings(items, depth),
        "scenarios": table(
            "process seed target engine duration turn scenario metric value samples seconds bound_s "
            "official validated disturbed",
            (1, 1, "mc_facts", "fp32", 0, 0, "SingleStream", "p90_s", 0.0123, 100, 1.0, 0.0, False, True, False),
            (1, 1, "mc_facts", "fp32", 0, 0, "Accuracy", "agreement", 1.0, 100, 1.0, 0.0, False, True, False),
            (1, 1, "mc_facts", "fp32", 16, 0, "Server", "queries_per_second", 50.0, 100, 1.0, 0.1, False, False, True),
            (1, 1, "mc_facts", "bf16", 0, 0, "SingleStream", "p90_s", 0.01, 100, 1.0, 0.0, False, True, False),
        ),
        "work": work(study, compared),
        "searches": table(
            "intermediate duration seed target language layer exact_qps graph_qps recall reached ef_search "
            "distances_exact distances_graph build_s disturbed",
            (PRETRAINED, 0, 1, "retr_bitext", "de", depth, 1e4, 2e4, 0.97, True, 16, 450, 100.0, 0.01, False),
            (PRETRAINED, 0, 2, "retr_bitext", "de", depth, 1e4, 2e4, 0.97, True, 16, 450, 100.0, 0.01, False),
            ("temprel", 4, 1, "retr_bitext", "de", depth, 1e4, 2e4, 0.96, True, 16, 450, 100.0, 0.01, False),
            ("temprel", 4, 2, "retr_bitext", "de", depth, 1e4, 2e4, 0.98, True, 16, 450, 100.0, 0.01, True),
            ("temprel", 16, 1, "retr_bitext", "de", depth, 1e4, 2e4, 0.94, False, 40, 450, 300.0, 0.01, False),
            ("temprel", 16, 2, "retr_bitext", "de", depth, 1e4, 4e4, 0.96, True, 40, 450, 100.0, 0.01, False),
        ),
    }


def table(columns: str, *rows: tuple) -> pd.DataFrame:
    """Rows under the columns of one line of names."""
    return pd.DataFrame(rows, columns=columns.split())


def engine_scores(compared: pd.DataFrame) -> pd.DataFrame:
    rows = compared.drop(columns=["largest_difference", "agreement"])
    reference = 50.0 + rows.duration
    return rows.assign(score=reference - 2.0 * (rows.engine == "bf16"), reference_score=reference)


def work(study, compared: pd.DataFrame) -> pd.DataFrame:
    """Dense engines do the same work whatever the checkpoint; the calibrated exit does a quarter less after 16 steps."""
    dense = compared[["duration", "seed", "target", "engine", "language"]].assign(rule="dense", layers=3)
    exits = dense[dense.engine == "bf16"].assign(engine="exit", rule="calibrated", layers=2)
    exits["flops"] = exits.duration.map(lambda duration: 300 if duration == 16 else 400)
    rows = pd.concat([dense.assign(flops=600), exits])
    rows = pd.concat([rows.assign(batch_size=1), rows[rows.rule == "dense"].assign(batch_size=4)])
    rows = pd.concat(
        [rows, rows[rows.rule != "dense"].assign(batch_size=study.inference.exits.batch_size)], ignore_index=True
    )
    rows["intermediate"] = rows.duration.map(lambda duration: "temprel" if duration else PRETRAINED)
    rows["trace"] = rows.engine + "-" + rows.batch_size.astype(str) + "-" + rows.flops.astype(str)
    constant = {"operations": 81, "bytes": 1000, "subnormal_weights": 0, "subnormal_activations": 0}
    return rows.assign(sentences=rows.batch_size, **constant)


def exits(study, items: int, depth: int) -> pd.DataFrame:
    rows = []
    places = [("calibration", "en"), *(("evaluation", language) for language in study.languages)]
    for (split, language), duration, seed, item in product(places, SURE, study.seeds, range(items)):
        sure = item < SURE[duration]
        early = sure and not (language != "en" and item < 4)
        run = {"intermediate": "temprel" if duration else PRETRAINED, "duration": duration, "seed": seed}
        keys = {**run, "target": "mc_facts", "language": language, "split": split, "item": f"{item:02}"}
        rows.append({**keys, "layer": 1, "confidence": 0.9 if sure else 0.4, "correct": float(early)})
        rows.append({**keys, "layer": depth, "confidence": 0.95, "correct": 1.0})
    return pd.DataFrame(rows)


def exit_timings(items: int, depth: int) -> pd.DataFrame:
    """A request takes 1 ms and 2 ms a layer; as many requests as items stop at layer 1 or the last as their rows do."""
    rows = []
    stops = {(rule, d): [1] * sure + [depth] * (items - sure) for rule in RULES for d, sure in SURE.items()}
    stops |= {(f"layer-{layer}", d): [layer] * items for layer in (1, depth) for d in SURE}
    visits = product(range(4), range(3), enumerate(stops), ("en", "de"))
    for replicate, block, (position, (rule, duration)), language in visits:
        process = {"replicate": PROCESSES[replicate], "seed": 1 + replicate % 2, "target": "mc_facts", "engine": "exit"}
        visit = {"batch_size": 1, "block": block, "position": position, "rule": rule, "duration": duration}
        for request, layers in enumerate(stops[rule, duration]):
            size = {"language": language, "request": request, "sentences": 1, "tokens": 20, "layers": layers}
            rows.append({**process, **visit, **size, "seconds": 0.001 + 0.002 * layers, "disturbed": False})
    return pd.DataFrame(rows)
