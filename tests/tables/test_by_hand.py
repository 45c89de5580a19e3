import json
import os
from types import SimpleNamespace

import pytest

from stilts_utils.tables import by_hand, files, identity, provenance
from stilts_utils.tables.errors import RecordError
from tests.fake_study import STUDY

pytest_plugins = ["tests.fake_study"]


@pytest.fixture
def lab(found, tmp_path, monkeypatch):
    """`lab(*keys)`: folders of runs by hand with these keys; a run's identity is its key."""
    runs = {json.dumps(run.given): run.key for run in STUDY.runs()}
    of_run = lambda study, phase, given: SimpleNamespace(digest=runs[json.dumps(given)])  # noqa: E731
    monkeypatch.setattr(identity, "of_run", of_run)
    monkeypatch.setattr(by_hand.Study, "load", lambda path: STUDY)
    given = {run.key: run.given for run in STUDY.runs()}

    def make(*keys):
        made = []
        for age, key in enumerate(keys):
            tables = tmp_path / "lab" / key.replace("/", "/study=fake,") / "tables"
            files.write("costs", found.tables["costs"].head(1), tables)
            about = {name: value for name, value in found.provenance.items() if name not in ("timed", "made")}
            if key.startswith("1_pretrained"):
                about |= {"runs": list(given), "parameters": given}
                (tables / provenance.FILE).write_text(json.dumps(about), encoding="utf8")
            if key.startswith("4_inference"):
                (tables / provenance.TIMED).write_text(json.dumps(found.provenance["timed"]), encoding="utf8")
            record = {"digest": key} | {name: found.provenance[name] for name in ("commit", "date", "machine")}
            (tables / provenance.RUN).write_text(json.dumps(record), encoding="utf8")
            os.utime(tables / provenance.RUN, (age, age))
            made.append(tables.parent)
        return tmp_path / "lab", made

    return make


SEED = [run.key for run in STUDY.runs() if run.given.get("seed", 1) == 1]


def test_without_runs_by_hand_the_reference_is_read(tmp_path):
    assert by_hand.folder(tmp_path) == by_hand.ROOT / by_hand.REFERENCE


def test_runs_of_one_seed_are_a_smaller_study(lab):
    folder, made = lab(*SEED)
    out = by_hand.folder(folder)
    assert out == folder / "5_findings/fake"
    about = provenance.read(out)
    assert about["study"]["seeds"] == [1] and about["runs"] == SEED
    assert {path.relative_to(out).as_posix() for path in provenance.run_folders(out)} == set(SEED)
    assert provenance.timed(about)
    assert all((run / "tables/run.json").is_file() for run in made)  # copied, not moved


def test_without_the_timing_it_is_a_study_that_was_not_timed(lab):
    folder, _ = lab(*(key for key in SEED if not key.startswith("4_")))
    assert not provenance.timed(provenance.read(by_hand.folder(folder)))


@pytest.mark.parametrize("lost", ["1_pretrained/baseline", "3_target/none-0-s1", "3_target/temprel-16-s1"])
def test_what_is_still_to_be_run_is_named(lab, lost):
    folder, _ = lab(*(key for key in SEED if key != lost))
    with pytest.raises(RecordError) as refused:
        by_hand.folder(folder)
    _, *commands = str(refused.value).split("\n")
    assert len(commands) == 1 and f"papermill notebooks/{lost.split('/')[0]}.ipynb out.ipynb -y '" in commands[0]
    given = json.loads(commands[0].split(" -y ")[1].strip("'"))
    assert given["study"] == "studies/fake.yaml"
    assert not (folder / "5_findings").exists()


def test_runs_that_are_none_of_the_study_file_do_not_count(lab):
    folder, _ = lab(*SEED)
    odd = folder / "3_target/study=fake,none-0-s1/tables" / provenance.RUN
    odd.write_text(odd.read_text(encoding="utf8").replace("3_target/none-0-s1", "another"), encoding="utf8")
    with pytest.raises(RecordError, match='"intermediate": "none", "duration": 0'):
        by_hand.folder(folder)
