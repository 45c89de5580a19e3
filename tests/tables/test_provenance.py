"""Stored results are read by their own names, whatever `Study` is today."""

import json

import pytest

from stilts_utils import ROOT
from stilts_utils.analysis import findings
from stilts_utils.study.study import Study
from stilts_utils.tables import provenance
from stilts_utils.tables.files import RecordError

pytest_plugins = ["tests.fake_study"]


def put(folder, about):
    (folder / provenance.FILE).write_text(about if isinstance(about, str) else json.dumps(about), encoding="utf8")
    return folder


@pytest.mark.parametrize("name", provenance.stored())
def test_stored_results_are_read_without_a_study(name, monkeypatch):
    """Whatever becomes of the fields of `Study`: nothing builds one."""
    monkeypatch.setattr(Study, "__post_init__", lambda self: pytest.fail("a Study was built"))
    folder = ROOT / "results" / name
    assert provenance.read(folder)["study"]["name"] == name
    assert provenance.run_folders(folder) == [folder]


def test_findings_need_no_study(fake_folder, monkeypatch):
    monkeypatch.setattr(Study, "__post_init__", lambda self: pytest.fail("a Study was built"))
    assert len(findings.analyse(fake_folder).ratios)


def test_the_first_version_is_read_as_this_one(about, tmp_path):
    old = {key: value for key, value in about.items() if key not in ("version", "runs", "settings")}
    read = provenance.read(put(tmp_path, old))
    assert read["version"] == about["version"] and read["runs"] == []
    assert read["study"]["targets"].keys() == about["study"]["targets"].keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "version is 99, allowed: 1 to 2; read it with newer code"),
        ({"study": None}, "study missing; restore it"),
        ({"runs": None}, "runs missing; restore it"),
    ],
)
def test_what_cannot_be_read_is_said(about, tmp_path, change, message):
    changed = {key: value for key, value in (about | change).items() if value is not None}
    with pytest.raises(RecordError, match=message):
        provenance.read(put(tmp_path, changed))


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ("[]", "holds a list, allowed: an object")])
def test_a_broken_file_is_an_error_that_names_it(tmp_path, text, message):
    with pytest.raises(RecordError, match=f"provenance.json {message}"):
        provenance.read(put(tmp_path, text))


def test_only_runs_of_the_study_are_read(fake_folder, about, tmp_path):
    for key in (*about["runs"], "3_target/temprel-99-s1"):
        (tmp_path / key).mkdir(parents=True)
    put(tmp_path, about)
    assert provenance.run_folders(tmp_path) == [tmp_path / key for key in about["runs"]]
