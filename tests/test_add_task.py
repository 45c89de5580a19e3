"""The worked example of the book's page on adding a task or a language."""

import pytest

from stilts_utils.data import columns, leakage, sources
from stilts_utils.study.place import Place
from stilts_utils.tables import files
from stilts_utils.tasks import task
from stilts_utils.training import pretrained, provenance
from stilts_utils.training.intermediate import trajectory
from stilts_utils.training.session import Session
from stilts_utils.training.transfer import transfer
from tests.own_plugins import TASK

pytest_plugins = ["tests.mirror_folder", "tests.own_plugins"]


@pytest.fixture
def source(mirror, plugged):
    """The entry by a plugin, and files of made-up rows in English and German."""
    plugged("example_task.py", languages=["en", "de"])
    example = task("pawsx")
    for language in ("en", "de"):
        rows = [
            {"id": i, "sentence1": f"{language} a {i}", "sentence2": f"{language} b {i}", "label": i % 2}
            for i in range(6)
        ]
        mirror.write(example.test.of(language), rows)
    mirror.write(example.train[0][0], [row | {"sentence1": f"train {row['id']}"} for row in rows])
    return mirror.source


def test_one_entry_and_a_folder_make_a_target(source):
    assert sources.languages("pawsx", source) == ("de", "en")
    rows = sources.load("pawsx", "de", "test", source)
    assert rows.features == columns.features(task("pawsx"))
    assert {row["label"] == int(row["id"]) % 2 for row in rows} == {True}
    training = sources.load("pawsx", "en", "train", source)
    assert leakage.disjoint(training, rows) is training


def test_one_file_more_makes_a_language(source, mirror):
    mirror.write(task("pawsx").test.of("ko"), [{"id": 0, "sentence1": "a", "sentence2": "b", "label": 1}])
    assert sources.languages("pawsx", source) == ("de", "en", "ko")
    assert len(sources.load("pawsx", "ko", "test", source)) == 1
    assert set(sources.lacking("pawsx", task("pawsx").languages, source)) == {"es", "fr", "ja", "zh"}


def test_a_study_of_own_rows_and_an_own_arm_beside_generated_ones_runs_through(plugged, tmp_path):
    plugged("example_method.py")
    arms = {"shout": {}, "dropped": {"method": "token_dropout"}}
    targets = {"shout": {"steps": 2}, "retr_bitext": {}, "mc_facts": {"steps": 2}}
    given = {"intermediate": arms, "targets": targets, "languages": ["en", "de"], "missing": "skip"}
    named = ["example_method.py", "my_task.py"]
    study = plugged("my_task.py", TASK, plugins=named, **given)
    session = Session.open(study, Place("1_pretrained", {}, tmp_path, (tmp_path / "checkpoints",)))
    assert provenance.write(study, session, tmp_path)["settings"]["plugins"] == tuple(named)
    assert files.check("fertility", pretrained.tokens(session))
    assert set(pretrained.shortcuts(study).target) == set(targets)
    assert [row["duration"] for row in trajectory(session, "shout", 1)["checkpoints"]] == [2]
    for arm in arms:
        scores = transfer(session, ("shout",), arm, 2, 1)["scores"]
        assert scores.language.tolist() == ["en", "de"] and set(scores["items"]) == {8}
