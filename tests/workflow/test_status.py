import dataclasses
import json
import shutil

import pytest

from stilts_utils import ROOT
from stilts_utils.study import place as places
from stilts_utils.study import study as studies
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import digests, files, provenance
from stilts_utils.training import provenance as recording
from stilts_utils.workflow import launch, status


@pytest.fixture
def study(code_copy, monkeypatch):
    """The smoke study as if all its runs were done, in a folder of its own, with a copy of the code."""
    for module in (digests, places, studies):
        monkeypatch.setattr(module, "ROOT", code_copy)
    monkeypatch.setenv(places.MARK, str(code_copy / "runs/smoke"))
    found = Study.load(ROOT / "studies/smoke.yaml")
    for run in found.runs():
        finish(found, run)
    return found


def finish(study, run, seconds=60):
    place = Place.of(study, run.phase, f"runs/{study.name}/{run.key}/tables", **run.parameters)
    recording.record(study, place, {}, recording.begin(study, place))
    (place.folder / "notebook.ipynb").touch()
    (place.folder / "benchmark.tsv").write_text(f"s\tmax_rss\n{seconds}\t100\n", encoding="utf8")


def would_run(study):
    return {state.run.key: state.reasons for state in status.states(study) if not state.done}


def change(study, path, old, new):
    file = study.folder.parents[1] / path
    text = file.read_text(encoding="utf8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf8")
    digests.forget()  # as in another process


def test_a_finished_study_has_nothing_to_run(study):
    assert would_run(study) == {}
    assert status.report(study) == "smoke: 6 of 6 runs are up to date"


def test_a_run_that_is_not_there_is_told_with_the_time_of_the_others(study):
    shutil.rmtree(study.folder / "3_target/temprel-2-s1")
    assert would_run(study) == {"3_target/temprel-2-s1": ("not run yet",)}
    assert status.states(study)[3].seconds == pytest.approx(60, rel=0.9)
    assert "in all about " in status.report(study)


def test_a_setting_is_named_with_the_runs_that_read_it(study):
    items = dataclasses.replace(
        study, targets=study.targets | {"qa_parts": dataclasses.replace(study.targets["qa_parts"], items=3)}
    )
    reasons = would_run(items)
    assert {key.split("/")[0] for key in reasons} == {"1_pretrained", "3_target"}
    assert reasons["3_target/none-0-s1"] == ("settings.targets.qa_parts.items",)


def test_changed_code_is_named_and_can_be_declared_harmless(study):
    change(
        study, "stilts_utils/training/trajectory.py", "computed = lesson.compute(", "computed = drawn = lesson.compute("
    )
    reasons = would_run(study)
    assert reasons.keys() == {run.key for run in study.runs()}
    assert reasons["2_intermediate/temprel-s1"] == ("code of stilts_utils/training/trajectory.py",)
    assert 'make harmless STUDY=smoke WHY="..."' in status.report(study)
    assert "stilts_utils/training/intermediate.py" in status.declare_harmless(study, "a name more")
    assert would_run(study) == {}
    assert "a name more" in status.report(study)
    with pytest.raises(StudyError, match="code is 'as it was', allowed: a change since the study's runs"):
        status.declare_harmless(study, "again")


def test_declarations_are_part_of_the_provenance(study):
    change(
        study, "stilts_utils/training/trajectory.py", "computed = lesson.compute(", "computed = drawn = lesson.compute("
    )
    status.declare_harmless(study, "a name more")
    about = json.loads((ROOT / "results/mini" / provenance.FILE).read_text(encoding="utf8"))
    recording.store(about, study.folder / "1_pretrained/baseline/tables" / provenance.FILE)
    (first, *_) = provenance.read(study.folder)["harmless"]
    assert first["why"] == "a name more" and {"date", "commit", "root", "now", "then"} < first.keys()


def test_another_change_after_a_declaration_counts(study):
    change(
        study, "stilts_utils/training/trajectory.py", "computed = lesson.compute(", "computed = drawn = lesson.compute("
    )
    status.declare_harmless(study, "a name more")
    finish(study, study.runs()[1])  # run again under the declaration: it is as the others
    assert would_run(study) == {}
    change(study, "stilts_utils/training/trajectory.py", "loss.backward()", "(loss * 0).backward()")
    assert "2_intermediate/temprel-s1" in would_run(study)


def test_runs_of_different_code_cannot_be_declared_the_same(study):
    change(study, "stilts_utils/training/trajectory.py", "loss.backward()", "(loss * 0).backward()")
    finish(study, study.runs()[2])
    with pytest.raises(StudyError, match="code is .*intermediate.py.*, allowed: one for all runs"):
        status.declare_harmless(study, "no")


def test_a_broken_record_counts_as_not_run(study):
    (study.folder / "2_intermediate/temprel-s1/tables" / provenance.RUN).write_text("{", encoding="utf8")
    assert would_run(study) == {"2_intermediate/temprel-s1": ("its tables are not whole",)}


def test_what_changed_while_a_run_computed_is_not_recorded(study):
    run = study.runs()[1]
    place = Place.of(study, run.phase, f"runs/{study.name}/{run.key}/tables", **run.parameters)
    began, file = recording.begin(study, place), study.folder.parents[1] / "stilts_utils/training/trajectory.py"
    text = file.read_text(encoding="utf8")
    file.write_text(text.replace("loss.backward()", "(loss * 0).backward()"), encoding="utf8")
    with pytest.raises(RuntimeError, match="trajectory.py changed while this run was computing; run it again"):
        recording.record(study, place, {}, began)
    file.write_text(text, encoding="utf8")
    recording.record(study, place, {}, began)


def test_tables_that_are_not_whole_are_made_again(study):
    tables = study.folder / "2_intermediate/temprel-s1/tables"
    files.write("costs", [], tables)
    assert would_run(study) == {}
    (tables / "costs.parquet").unlink()
    assert would_run(study) == {"2_intermediate/temprel-s1": ("its tables are not whole",)}
    assert launch.outdated(study) == ["2_intermediate/temprel-s1"]


def test_a_record_is_plain_json_with_commit_and_machine(study):
    text = (study.folder / "4_inference/ner_slots-s1/tables" / provenance.RUN).read_text(encoding="utf8")
    assert {"identity", "digest", "code", "files", "layers", "precision", "commit", "date", "machine"} == json.loads(
        text
    ).keys()
