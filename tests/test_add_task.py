"""The worked example of the book's page on adding a task or a language."""

import runpy

import pytest

from stilts_utils import ROOT, tasks
from stilts_utils.data import columns, leakage, sources

pytest_plugins = ["tests.mirror_folder"]

PAWSX = runpy.run_path(ROOT / "book" / "example_task.py")["PAWSX"]


@pytest.fixture
def source(mirror, monkeypatch):
    """The entry in the registry, and files of made-up rows in English and German."""
    monkeypatch.setitem(tasks.TASKS, "pawsx", PAWSX)
    for language in ("en", "de"):
        rows = [
            {"id": i, "sentence1": f"{language} a {i}", "sentence2": f"{language} b {i}", "label": i % 2}
            for i in range(6)
        ]
        mirror.write(PAWSX.test.of(language), rows)
    mirror.write(PAWSX.train[0][0], [row | {"sentence1": f"train {row['id']}"} for row in rows])
    return mirror.source


def test_one_entry_and_a_folder_make_a_target(source):
    assert sources.languages("pawsx", source) == ("de", "en")
    rows = sources.load("pawsx", "de", "test", source)
    assert rows.features == columns.features(PAWSX)
    assert {row["label"] == int(row["id"]) % 2 for row in rows} == {True}
    training = sources.load("pawsx", "en", "train", source)
    assert leakage.disjoint(training, rows) is training


def test_one_file_more_makes_a_language(source, mirror):
    mirror.write(PAWSX.test.of("ko"), [{"id": 0, "sentence1": "a", "sentence2": "b", "label": 1}])
    assert sources.languages("pawsx", source) == ("de", "en", "ko")
    assert len(sources.load("pawsx", "ko", "test", source)) == 1
    assert set(sources.lacking("pawsx", PAWSX.languages, source)) == {"es", "fr", "ja", "zh"}
