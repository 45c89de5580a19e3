"""Packed, run and scored: the tables of a tiny study's cells, from processes of their own."""

import json

import numpy as np
import pandas as pd
import pytest

from stilts_utils import records
from stilts_utils.cells import make, run, tables
from stilts_utils.cells.jobs import Job
from stilts_utils.cells.pack import Pack
from stilts_utils.cells.rows import Rows, training_batches
from stilts_utils.study import Study

STUDY = "studies/smoke.yaml"
OPTIONS = {"dtype": "float32", "compiled": False}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The folder of a pack, and that of the tables of its cells."""
    folder = tmp_path_factory.mktemp("cells")
    pack = make.pack(STUDY, folder / "pack", ("ner_slots",))
    assert run.run(str(pack), None, str(folder / "results"), 240, 1, [(1,)], OPTIONS) == 0
    return pack, tables.write(pack, None, folder / "results", folder / "tables")


def test_every_run_has_its_tables(cells):
    study, (_, out) = Study.load(STUDY), cells
    wanted = {each.key for each in study.runs() if each.phase in ("2_intermediate", "3_target")}
    assert {str(path.parent.parent.relative_to(out)) for path in out.rglob("costs.parquet")} == wanted
    for name in ("scores", "items", "training", "checkpoints", "exits", "costs"):
        assert len(records.read(name, out))
    told = json.loads((out / "cells.json").read_text())
    assert told["undone"] == [] and told["device"] == "CPU"


def test_scores_are_those_of_their_items(cells):
    scores, items = (records.read(name, cells[1]) for name in ("scores", "items"))
    keys = ["intermediate", "duration", "target", "language", "layer", "metric"]
    sums = items.groupby(keys)[["numerator", "denominator"]].sum()
    own = scores.set_index(keys).score
    expected = (100 * sums.numerator / sums.denominator).fillna(0)
    assert expected.to_dict() == pytest.approx(own[expected.index].to_dict())
    assert set(scores.target) == set(Study.load(STUDY).targets)


def test_steps_and_counts_go_on_over_durations_and_into_the_control(cells):
    training = records.read("training", cells[1])
    for _, rows in training.groupby(["intermediate", "duration", "target"]):
        assert (rows.step.diff().dropna() == 1).all() and rows.tokens.is_monotonic_increasing
    control = training[training.intermediate == "target"]
    assert control.step.tolist() == [4, 5, 6, 7] and control.examples.tolist() == [16, 20, 24, 28]
    checkpoints = records.read("checkpoints", cells[1])
    assert checkpoints.duration.tolist() == [2, 4] and checkpoints.examples.tolist() == [8, 16]
    validation = pd.read_parquet(next(cells[1].rglob("validation.parquet")))
    assert validation.duration.tolist() == [2, 4] and validation.score.between(0, 100).all()


def test_a_file_of_results_cut_short_gives_what_is_whole(cells, tmp_path):
    file = next((cells[0].parent / "results").glob("results-*.tar"))
    (tmp_path / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    some, every = tables.read(tmp_path)[0], tables.read(file.parent)[0]
    assert 0 < len(some) < len(every) and some.keys() < every.keys()


def test_starts_come_before_what_needs_them():
    study = Study.load("studies/xtreme_r_gpu.yaml")
    jobs = run.jobs_of(study, study.seeds)
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
