"""The smoke study through the real graph: everything is made, nothing is made twice, and nothing leaks."""

import json

import pytest

from stilts_utils import ROOT
from stilts_utils.study import settings
from stilts_utils.study.study import Study
from stilts_utils.tables import files, schema
from tests.graph.conftest import SECRET, launch

pytestmark = pytest.mark.graph


def test_it_makes_every_run_and_prints_the_answer_and_the_book(smoke):
    folder, printed = smoke
    for run in Study.load("studies/smoke.yaml").runs():
        assert (folder / run.key / "notebook.ipynb").is_file(), run.key
    assert "runs/smoke/book/_build/html/index.html" in printed
    numbers = json.loads((folder / "5_findings/report/numbers.json").read_text(encoding="utf8"))
    assert numbers["study_headline"] in printed


def test_nothing_begins_before_the_machine_is_checked(smoke):
    keys = [run.key for run in Study.load("studies/smoke.yaml").runs()]
    notebooks = {key: json.loads((smoke[0] / key / "notebook.ipynb").read_text(encoding="utf8")) for key in keys}
    times = {key: notebook["metadata"]["papermill"] for key, notebook in notebooks.items()}
    checked = times.pop("1_pretrained/baseline")["end_time"]
    assert times and all(given["start_time"] >= checked for given in times.values())


def test_every_table_fits_its_schema(smoke):
    folder, _ = smoke
    for name in schema.TABLES.keys() - {"jobs"}:
        assert files.read(name, folder) is not None


def test_every_target_is_scored_at_every_duration_in_every_language_it_has(smoke):
    folder, _ = smoke
    study = Study.load("studies/smoke.yaml")
    scores, lacking = files.read("scores", folder), files.read("lacking", folder)
    expected = {(t, language) for t in study.targets for language in study.languages}
    expected -= set(zip(lacking.target, lacking.language, strict=True))
    for duration in study.durations:
        found = scores[(scores.duration == duration) & (scores.intermediate != settings.CONTROL)]
        assert set(zip(found.target, found.language, strict=True)) == expected


def test_the_same_items_are_scored_at_every_duration(smoke):
    items = files.read("items", smoke[0])
    by_arm = items.groupby(["target", "language", "intermediate", "duration"]).item.agg(frozenset)
    assert (by_arm.groupby(["target", "language"]).nunique() == 1).all()


def test_a_second_start_has_nothing_to_do(smoke):
    folder, _ = smoke
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    process = launch("studies/smoke.yaml")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == made
    assert "Nothing to be done" in (folder / "snakemake.log").read_text(encoding="utf8")


def test_a_token_in_the_environment_reaches_no_file(smoke):
    folder, _ = smoke
    for path in folder.rglob("*"):
        if path.suffix in (".ipynb", ".html", ".json", ".log", ".md", ".tsv"):
            assert SECRET not in path.read_text(encoding="utf8", errors="ignore"), path


def test_executed_notebooks_name_no_folder_of_this_machine(smoke):
    folder, _ = smoke
    for path in (folder / "book/_build/html").rglob("*.html"):
        assert str(ROOT) not in path.read_text(encoding="utf8"), path
