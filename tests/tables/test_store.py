import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from stilts_utils import ROOT
from stilts_utils.analysis import findings
from stilts_utils.report import numbers
from stilts_utils.study.facts import settings
from stilts_utils.study.hypotheses import HYPOTHESES
from stilts_utils.study.settings import Arm
from stilts_utils.study.study import Study
from stilts_utils.tables import files, provenance, schema, store, study_tables
from stilts_utils.tables.files import RecordError
from tests import fake_study

pytest_plugins = ["tests.fake_study"]


@pytest.fixture
def out(tmp_path):
    """A folder that holds older results."""
    folder = tmp_path / "results" / "fake"
    folder.mkdir(parents=True)
    (folder / "old.parquet").write_text("old", encoding="utf8")
    return folder


def unchanged(out):
    return [path for path in out.parent.rglob("*") if path.is_file()] == [out / "old.parquet"]


def test_stored_results_give_the_same_numbers(fake_folder, out):
    assert store.store(fake_folder, out) == out
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*(f"{t}.parquet" for t in schema.TABLES), "provenance.json"]
    )
    assert numbers.numbers(findings.analyse(out)) == numbers.numbers(findings.analyse(fake_folder))
    assert [path.name for path in out.parent.iterdir()] == ["fake"]


def test_a_table_too_large_to_commit_is_refused_and_nothing_is_written(variant, found, out):
    more = found.tables["fertility"].iloc[[0] * 200_000]
    tokens = np.random.default_rng(0).integers(1, 2**62, 200_000)
    more = more.assign(item=list(map(str, range(200_000))), tokens=tokens)
    folder = variant(fertility=pd.concat([found.tables["fertility"], more]))
    with pytest.raises(RecordError, match=r"table fertility has \d{7,} bytes, allowed in results: 1000000"):
        store.store(folder, out)
    assert unchanged(out)


def test_a_large_table_of_one_target_is_stored_by_intermediate_task(found, tmp_path):
    rows = found.tables["training"].query("step == 1").iloc[[0] * 160_000]
    rows = rows.assign(intermediate=["none", "temprel"] * 80_000, step=range(1, 160_001))
    rows = rows.assign(loss=np.random.default_rng(0).random(160_000))
    store._store("training", rows, tmp_path)
    assert sorted(path.parent.name for path in tmp_path.rglob("*.parquet")) == ["none", "temprel"]
    assert len(files.read("training", tmp_path)) == 160_000


@pytest.mark.parametrize("name", ["items", "lacking"])
def test_a_missing_table_is_refused_and_nothing_is_written(variant, out, name):
    with pytest.raises(RecordError, match=f"table {name}"):
        store.store(variant(**{name: None}), out)
    assert unchanged(out)


def test_missing_provenance_is_refused_and_nothing_is_written(variant, out):
    folder = variant()
    next(folder.rglob("provenance.json")).unlink()
    with pytest.raises(FileNotFoundError, match="provenance.json"):
        store.store(folder, out)
    assert unchanged(out)


def test_the_tables_of_several_runs_become_one(variant, found, out):
    rows = found.tables["checkpoints"]
    folder = variant(checkpoints=rows[rows.seed == 1])
    files.write("checkpoints", rows[rows.seed == 2], folder / "2_intermediate" / "temprel-s2" / "tables")
    store.store(folder, out)
    pd.testing.assert_frame_equal(files.read("checkpoints", out), rows)


def alike(today, stored):
    """Whether a setting is as it was stored; one that did not exist then counts if it is not set."""
    if isinstance(today, dict) and isinstance(stored, dict):
        return all(alike(value, stored.get(name)) for name, value in today.items())
    return today == stored or (stored is None and today in (0, 1))  # turns and processes of a scenario


@pytest.mark.parametrize("name", provenance.stored())
def test_stored_results_are_those_of_the_study_file_as_it_is(name):
    today = json.loads(json.dumps(settings(Study.load(f"studies/{name}.yaml"))))
    about = provenance.read(ROOT / "results" / name)
    stored = about.get("settings", about["study"])  # results of the first version hold one of the two
    stored = {"plugins": []} | stored  # a field that a study has since
    defaults = json.loads(json.dumps(dataclasses.asdict(Arm())))  # of fields that an arm has since
    stored["intermediate"] = {name: defaults | arm for name, arm in stored["intermediate"].items()}
    if "parameters" not in about:  # processes of all seeds together, before each had runs of its own
        stored["inference"]["replicates"] = today["inference"]["replicates"]
    younger = [one for one in today["hypotheses"] if HYPOTHESES[one].registered >= about["date"]]
    stored["hypotheses"] = [one for one in today["hypotheses"] if one in {*stored["hypotheses"], *younger}]
    changed = {field for field in today if not alike(today[field], stored.get(field))}
    assert not changed, (
        f"results/{name} differ in {changed}: run `make study STUDY={name}` and `make results STUDY={name}`"
    )


def test_a_study_that_was_not_timed_is_stored_with_the_tables_that_it_has(tmp_path, out):
    about, frames = fake_study.untimed()
    store.store(fake_study.write(tmp_path / "run", frames, about), out)
    assert {path.stem for path in out.glob("*.parquet")} == frames.keys()
    assert not findings.analyse(out).timed


def test_fewer_items_of_retrieval_are_stored_and_the_note_says_so(fake_folder, found, out):
    store.store(fake_folder, out, fewer=True)
    again = findings.analyse(out)
    own = again.tables["items"].query("target == 'retr_bitext'")
    assert set(own.layer) == {2, 3} and len(again.tables["scores"]) == len(found.tables["scores"])
    assert len(again.tables["items"].query("target == 'dtag'")) == len(found.tables["items"].query("target == 'dtag'"))
    assert again.provenance["note"].startswith(
        "Of the items of retr_bitext, those of layers 2 and 3 and of the official"
    )
    assert again.layer_gaps.equals(found.layer_gaps) and again.changes.equals(found.changes)


def test_a_run_that_is_out_of_date_is_not_stored(monkeypatch, fake_folder, out):
    monkeypatch.setattr(store.finished, "record", lambda folder: {"digest": "old", "files": {}})
    with pytest.raises(
        RecordError, match=r"run\(s\) of fake are out of date, such as 1_pretrained/baseline: `make study"
    ):
        store.store(fake_folder, out, current={"1_pretrained/baseline": "new"})
    assert unchanged(out)


def test_the_executed_notebook_of_a_run_is_stored_with_the_tables(variant, out):
    folder = variant()
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": 1}
    page = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "1_pretrained/baseline/notebook.ipynb").write_text(json.dumps(page), encoding="utf8")
    store.store(folder, out)
    assert [path.relative_to(out).as_posix() for path in out.rglob("*.ipynb")] == [
        "notebooks/1_pretrained/baseline.ipynb"
    ]
    study_tables.read(out)  # a notebook is no table
