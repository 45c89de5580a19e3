"""The tables of a small study with known effects, written as a run would write them. A pytest plugin: see `found`.

Scores are shares of 40 items, so that one item is 2.5 points. Seed 2 is 2 items better than seed 1 in every arm.

- mc_facts: 16 steps of temprel give +20 points in every language, the control +10; 4 steps give +5, the control 0.
- dtag: 16 steps gain 4 items and lose 4 others: no change, with an interval around 0.
- retr_bitext (de and sw): 16 steps take 20 points from layer 3, the last, and none from layer 2, the middle.
- Deployment other than dense engines: see `fake_deployment`.
- Without timings: see `untimed`.
- Latency, see `fake_timings`: 16 steps are .4 % slower at every engine and batch size, 4 steps are equal; the planted 2 %
  reads 2 %.
"""

import dataclasses
import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from stilts_utils.analysis import findings
from stilts_utils.analysis.learned import Learned
from stilts_utils.analysis.verdict import NOT_LEARNED
from stilts_utils.report import numbers
from stilts_utils.study import study
from stilts_utils.study.facts import VERSION, facts
from stilts_utils.study.settings import CONTROL, PRETRAINED, Arm, Exits, Fit, Recipe, Search, Timing
from stilts_utils.study.study import Study
from stilts_utils.tables import files, manifest, schema, store
from stilts_utils.tasks import TASKS, Floor
from tests import fake_deployment, fake_timings

STUDY = Study(
    name="fake",
    title="A fake study",
    encoder="random",
    languages=("en", "de", "sw"),
    missing="skip",
    intermediate={"temprel": Arm()},
    durations=(0, 4, 16),
    seeds=(1, 2),
    targets={"mc_facts": Fit((5,)), "dtag": Fit((5,)), "retr_bitext": Fit(items=40)},
    training=Recipe(batch_size=4),
    items=40,
    inference=Timing(
        "mc_facts",
        languages=("en", "de"),
        engines=("fp32", "bf16", "ort"),
        batch_sizes=(1, 4),
        exits=Exits("mc_facts"),
        search=Search("retr_bitext"),
    ),
)
ITEMS, DEPTH = 40, 3
ARMS = [(PRETRAINED, 0), ("temprel", 4), ("temprel", 16), (CONTROL, 4), (CONTROL, 16)]
GAIN = {("temprel", 4): 2, ("temprel", 16): 8, (CONTROL, 16): 4}  # items of mc_facts
DATA_SETS = {"mc_facts": "xnli", "dtag": "udpos", "retr_bitext": "tatoeba", "temprel": "mnli"}
LAYOUT = {
    "1_pretrained/baseline": ("fertility", "shortcuts", "lacking", "left_out"),
    "2_intermediate/temprel-s1": ("checkpoints", "validation", "arms"),
    "3_target/none-0-s1": ("scores", "items", "training", "costs", "jobs", "exits"),
    "4_inference/mc_facts-s1": (
        *("timings", "noise", "outputs", "engines", "fidelity"),
        *("engine_scores", "exit_timings", "scenarios", "searches", "work"),
    ),
}


def _right(target: str, language: str, arm: tuple[str, int], layer: int) -> tuple[int, int]:
    """How many items are right with seed 1, and the first of them."""
    if target == "retr_bitext":
        lost = {("temprel", 4): 2, ("temprel", 16): 8}.get(arm, 0) if layer == DEPTH else 0
        return (8, 16, 30, 24)[layer] - lost, 0
    right = {"en": 20, "de": 16, "sw": 12}[language]
    if target == "mc_facts":
        return right + GAIN.get(arm, 0), 0
    return right, 4 * (arm == ("temprel", 16))


def items() -> pd.DataFrame:
    rows = []
    for target, arm, seed, language in product(STUDY.targets, ARMS, STUDY.seeds, STUDY.languages):
        retrieval = target == "retr_bitext"
        if retrieval and (arm[0] == CONTROL or language == "en"):
            continue
        run = {"intermediate": arm[0], "duration": arm[1], "seed": seed, "target": target, "language": language}
        metrics = {"f1": 2.0, "token_accuracy": 8.0} if target == "dtag" else {"accuracy": 1.0}
        for layer, (metric, weight) in product(range(DEPTH + 1) if retrieval else (DEPTH,), metrics.items()):
            right, first = _right(target, language, arm, layer)
            share = 1.0 if metric != "token_accuracy" else 0.5  # not the metric of the target: must not be read
            rows += [
                {
                    **run,
                    "layer": layer,
                    "metric": metric,
                    "item": f"{language}-{item:02}",
                    "numerator": share * weight * (first <= item < first + right + 2 * (seed - 1)),
                    "denominator": weight,
                }
                for item in range(ITEMS)
            ]
    return pd.DataFrame(rows)


def scores(rows: pd.DataFrame) -> pd.DataFrame:
    sums = rows.groupby(list(schema.SCORED)).agg(
        numerator=("numerator", "sum"), denominator=("denominator", "sum"), items=("item", "size")
    )
    return (
        sums.assign(score=100 * sums.numerator / sums.denominator)
        .drop(columns=["numerator", "denominator"])
        .reset_index()
    )


def training() -> pd.DataFrame:
    fits = [(*arm, target, 5) for arm, target in product(ARMS, ("mc_facts", "dtag")) if arm[0] != CONTROL]
    fits = [(*fit, 1) for fit in fits] + [("temprel", 16, PRETRAINED, 16, 1)]
    fits += [(CONTROL, 16, target, 21, 6) for target in ("mc_facts", "dtag")]
    return pd.DataFrame(
        {
            "intermediate": intermediate,
            "duration": duration,
            "seed": seed,
            "target": target,
            "step": step,
            "loss": 2.0 / step,
            "learning_rate": 1e-4,
            "examples": 4 * step,
            "tokens": 100 * step,
        }
        for (intermediate, duration, target, last, first), seed in product(fits, STUDY.seeds)
        for step in range(first, last + 1)
    )


def tables() -> dict[str, pd.DataFrame]:
    """Table name -> frame, as the runs of the study would have written them."""
    rows, compared = items(), fake_timings.fidelity(ITEMS)
    return {
        "items": rows,
        "scores": scores(rows),
        "timings": fake_timings.timings(),
        "noise": fake_timings.noise(),
        "outputs": fake_timings.outputs(),
        "engines": fake_timings.engines(),
        "fidelity": compared,
        **fake_deployment.tables(STUDY, ITEMS, DEPTH, compared),
        "training": training(),
        "checkpoints": fake_deployment.table(
            "intermediate duration seed examples tokens parameters subnormals distance",
            *(("temprel", d, seed, 4 * d, 100 * d, 17_000, seed, d / 1000) for d in (4, 16) for seed in (1, 2)),
        ),
        "arms": fake_deployment.table(
            "intermediate duration seed target steps examples tokens operations",
            *(("temprel", d, seed, "none", d, 4 * d, 100 * d, 2e9 * d) for d in (4, 16) for seed in (1, 2)),
            *(
                ("target", d, seed, target, d, 4 * d, 120 * d, 3e9 * d)
                for d in (4, 16)
                for seed in (1, 2)
                for target in ("mc_facts", "dtag")
            ),
        ),
        "validation": fake_deployment.table(
            "intermediate duration seed task metric score items",
            *(("temprel", d, seed, "temprel", "accuracy", 40.0 + d + seed, 100) for d in (4, 16) for seed in (1, 2)),
        ),
        "fertility": fake_deployment.table(
            "task language item words characters tokens unknown",
            *(("retr_bitext", "en", item, 2, 10, tokens, 0) for item, tokens in (("m1", 4), ("m2", 6))),
            *(("retr_bitext", "de", item, 2, 12, tokens, 0) for item, tokens in (("m1", 5), ("m2", 7))),
            *(("retr_bitext", "sw", item, 4, 16, tokens, 1) for item, tokens in (("m1", 8), ("m2", 12))),
        ),
        "shortcuts": fake_deployment.table(
            "target language baseline metric score items",
            ("mc_facts", "en", "character n-grams", "accuracy", 30.0, ITEMS),
            ("mc_facts", "de", "character n-grams", "accuracy", 65.0, ITEMS),  # above the models, unlike the majority
            ("mc_facts", "sw", "character n-grams", "accuracy", 60.0, ITEMS),
            *(("mc_facts", language, "majority", "accuracy", 25.0, ITEMS) for language in STUDY.languages),
            *(("dtag", language, "majority", "f1", 0.0, ITEMS) for language in STUDY.languages),
            *(("dtag", language, "token", "f1", 70.0, ITEMS) for language in STUDY.languages),
            *(("retr_bitext", language, "chance", "accuracy", 2.5, ITEMS) for language in ("de", "sw")),
        ),
        "lacking": fake_deployment.table(
            "target language reason", ("retr_bitext", "en", "no rows in source 'embedded'")
        ),
        "left_out": fake_deployment.table(
            "task language reason rows of", ("temprel", "en, training", "no label in a set", 3, 40)
        ),
        "costs": fake_deployment.table(
            "phase run part seconds steps tokens",
            ("1_pretrained", "baseline", "load", 6.0, 0, 0),
            ("2_intermediate", "temprel-s1", "train", 40.0, 16, 1600),
            ("2_intermediate", "temprel-s1", "store", 2.0, 0, 0),
            ("3_target", "none-0-s1", "train", 80.0, 10, 4000),
            ("3_target", "none-0-s1", "evaluate", 60.0, 0, 9000),
            ("4_inference", "mc_facts-s1", "time", 118.0, 0, 0),
        ),
        "jobs": fake_deployment.table(
            "phase run began seconds peak_mb disk_mb",
            ("1_pretrained", "baseline", 0.0, 20.0, 512.0, 100.0),
            ("2_intermediate", "temprel-s1", 10.0, 60.0, 1024.0, 200.0),  # beside the first for ten seconds
            ("3_target", "none-0-s1", 80.0, 180.0, 2048.0, 200.0),
            ("4_inference", "mc_facts-s1", 260.0, 140.0, 1024.0, 500.0),
            ("stored", "checkpoints", 0.0, 0.0, 0.0, 1000.0),
        ),
    }


PRESENT = {
    "commit": "0123456789ab",
    "date": "2026-01-31",
    "machine": {"device": "CPU", "cpu": "A fake CPU", "cores": 2, "memory_gb": 8.0, "bf16": "none"},
}
MACHINES = {1: PRESENT["machine"], 2: PRESENT["machine"] | {"cpu": "Another fake CPU"}}  # of the timed seeds


def provenance() -> dict:
    return {
        "version": VERSION,
        "study": facts(STUDY),
        "runs": [run.key for run in STUDY.runs()],
        "made": {f"4_inference/mc_facts-s{seed}": PRESENT | {"machine": machine} for seed, machine in MACHINES.items()},
        "splits": dict.fromkeys(STUDY.targets, "test"),
        **PRESENT,
        "timed": PRESENT,
        "encoder": {"name": "random", "layers": DEPTH, "hidden": 32, "parameters": 41_952, "precision": "fp32"},
        "versions": {"python": "3.11.0", "torch": "2.0.0", "transformers": "5.0.0"},
    }


def untimed() -> tuple[dict, dict[str, pd.DataFrame]]:
    """Provenance and tables of the study as if it had been trained and scored and not timed."""
    about = {key: value for key, value in provenance().items() if key != "timed"}
    left_out = {*schema.UNTIMED, "engine_scores", "exit_timings", "scenarios", "searches", "work"}
    return about, {name: frame for name, frame in tables().items() if name not in left_out}


def write(folder: Path, frames: dict[str, pd.DataFrame], about: dict) -> Path:
    """Write frames and provenance as the phases lay them out below a study's folder."""
    for run, names in LAYOUT.items():
        for name in names:
            if name in frames:
                files.write(name, frames[name], folder / run / "tables")
    path = folder / "1_pretrained" / "baseline" / "tables" / "provenance.json"
    path.write_text(json.dumps(about), encoding="utf8")
    return folder


def write_stored(folder: Path, about: dict) -> Path:
    """Write the provenance of stored tables, with their digests."""
    text = json.dumps(about | {"tables": manifest.of(folder)})
    (folder / "provenance.json").write_text(text, encoding="utf8")
    return folder


def _renamed(text: str) -> str:
    for old, new in DATA_SETS.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def about() -> dict:
    """The provenance of the fake study."""
    return provenance()


@pytest.fixture(scope="session")
def fake_folder(tmp_path_factory) -> Path:
    """The folder of the fake study."""
    return write(tmp_path_factory.mktemp("fake"), tables(), provenance())


@pytest.fixture(scope="session")
def found(fake_folder) -> findings.Findings:
    """The findings of the fake study, in which every target counts as learned."""
    return learned(fake_folder)


def learned(folder: Path) -> findings.Findings:
    """Findings with a floor of dtag that its made-up scores reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "dtag", dataclasses.replace(TASKS["dtag"], floor=Floor(45, 30, "Made up.")))
        return findings.analyse(folder)


@pytest.fixture(scope="session")
def untimed_found(tmp_path_factory) -> findings.Findings:
    """The findings of the fake study without timings."""
    about, frames = untimed()
    return learned(write(tmp_path_factory.mktemp("untimed"), frames, about))


@pytest.fixture(scope="session")
def untimed_report(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The report of the fake study without timings: its folder and its numbers."""
    folder = tmp_path_factory.mktemp("report") / "report"
    about, frames = untimed()
    tables_of = write(tmp_path_factory.mktemp("untimed"), frames, about)
    return folder, numbers.write(findings.analyse(tables_of), folder)


@pytest.fixture(scope="session")
def fake_report(fake_folder, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The report of the fake study, by the floors of the registry: its folder and its numbers."""
    folder = tmp_path_factory.mktemp("report") / "report"
    return folder, numbers.write(findings.analyse(fake_folder), folder)


@pytest.fixture(scope="session")
def stored_results(tmp_path_factory, found):
    """Stored results of the fake study: on the embedded suite, as if on data sets, and without timings."""
    folder = tmp_path_factory.mktemp("results")
    read = json.loads(_renamed(json.dumps(found.provenance)))
    read["study"] |= {"source": "hub", "name": "read"}
    for name, about, names in (("fake", found.provenance, {}), ("read", read, DATA_SETS)):
        for table, frame in found.tables.items():
            files.save(table, frame.replace(names), folder / name)
        write_stored(folder / name, about)
    about, frames = untimed()
    store.store(write(tmp_path_factory.mktemp("untimed"), frames, about), folder / "untimed")
    return folder


@pytest.fixture
def variant(tmp_path):
    """`variant(about=..., items=frame, ...)`: folder of the fake study with some tables replaced; None leaves one out."""

    def make(about: dict | None = None, **changes) -> Path:
        frames = {name: frame for name, frame in (tables() | changes).items() if frame is not None}
        return write(tmp_path / "variant", frames, about or provenance())

    return make


@pytest.fixture
def plan(tmp_path, monkeypatch) -> Study:
    """The fake study, whose folder is a temporary one."""
    monkeypatch.setattr(study, "ROOT", tmp_path)
    return STUDY


def of_seeds(found: findings.Findings, seeds: tuple[int, ...] = (1, 2, 3, 4, 5)) -> findings.Findings:
    """Findings whose study has other seeds, without other tables."""
    arms = {name: arm | {"seeds": seeds} for name, arm in found.study["intermediate"].items()}
    study = found.study | {"seeds": seeds, "intermediate": arms}
    return dataclasses.replace(found, provenance=found.provenance | {"study": study})


def not_learned(found: findings.Findings, *names: str) -> findings.Findings:
    """Findings in which some targets, or arms, are below their floor."""
    models, arms = found.learned.models.copy(), found.learned.arms.copy()
    models.loc[models.target.isin(names), "standing"] = NOT_LEARNED
    arms.loc[arms.intermediate.isin(names), "standing"] = NOT_LEARNED
    return dataclasses.replace(found, learned=Learned(models, arms))


def with_control(found: findings.Findings, **values) -> findings.Findings:
    """Findings whose first setting has other values in the controls."""
    table = found.controls.copy()
    for name, value in values.items():
        table.loc[0, name] = value
    return dataclasses.replace(found, controls=table)
