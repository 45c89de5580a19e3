import pytest

from stilts_utils import ROOT
from stilts_utils.study.place import LAB, MARK, Place
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError


@pytest.fixture
def smoke(monkeypatch):
    study = Study.load("studies/smoke.yaml")
    monkeypatch.setenv(MARK, str(study.folder))  # as Snakemake sets it
    return study


ARM = {"intermediate": "temprel", "duration": 2, "seed": 1, "targets": None}


def test_a_run_of_a_study_keeps_everything_in_its_folder(smoke):
    for run in smoke.runs():
        place = Place.of(smoke, run.phase, f"runs/smoke/{run.key}/tables", **run.parameters)
        assert (place.phase, place.run, place.tables) == (run.phase, run.name, smoke.folder / run.key / "tables")
        assert place.checkpoints == (smoke.folder / "checkpoints",)
        assert place.kept == smoke.folder / "kept" / run.name


def test_by_hand_it_writes_below_the_lab_and_reads_what_the_study_has(smoke):
    place = Place.of(smoke, "3_target", None, **ARM, languages=["en", "de"], encoder="some/folder")
    name = "study=smoke,intermediate=temprel,duration=2,seed=1,languages=en-de,encoder=some-folder"
    assert place.folder == ROOT / LAB / "3_target" / name
    assert place.checkpoints == (place.folder / "checkpoints", smoke.folder / "checkpoints")
    assert smoke.folder not in place.kept.parents
    others = [ARM, ARM | {"duration": 4}, ARM | {"targets": ["dtag"]}, ARM | {"encoder": "random"}]
    assert len({Place.of(smoke, "3_target", None, **other).folder for other in others}) == 4


@pytest.mark.parametrize(
    "change", [{"duration": 4}, {"encoder": "random"}, {"languages": ["en"]}, {"targets": ["ner_slots"]}]
)
def test_what_is_run_otherwise_does_not_write_into_the_study(smoke, change):
    out = "runs/smoke/3_target/temprel-2-s1/tables"
    with pytest.raises(StudyError, match="parameters of a run in runs/smoke/3_target/temprel-2-s1/tables"):
        Place.of(smoke, "3_target", out, **ARM | change)


@pytest.mark.parametrize(
    "out",
    [
        "runs/smoke/mine/tables",
        "runs/smoke/tables",
        "runs/lab/../smoke/tables",
        "runs/lab/../smoke/3_target/x/tables",
        "runs/mini/3_target/temprel-2-s1/tables",
        "runs/tables",
    ],
)
def test_no_other_place_below_runs_is_written_to(smoke, out):
    with pytest.raises(
        StudyError, match=f"out is '{out}', allowed: the folder of a run of phase 3_target of smoke, or a"
    ):
        Place.of(smoke, "3_target", out, **ARM)


def test_what_snakemake_did_not_start_is_by_hand(smoke, monkeypatch):
    monkeypatch.delenv(MARK)
    with pytest.raises(StudyError, match="what is run by hand feeds no study"):
        Place.of(smoke, "3_target", "runs/smoke/3_target/temprel-2-s1/tables", **ARM)


def test_long_names_stay_apart(smoke):
    languages = [["en", *[f"l{i}" for i in range(60)], last] for last in ("x", "y")]
    one, other = (Place.of(smoke, "3_target", None, **ARM, languages=each).folder.name for each in languages)
    assert one != other and len(one) < 140


def test_another_folder_is_its_own(smoke, tmp_path):
    place = Place.of(smoke, "3_target", str(tmp_path / "tables"), **ARM | {"encoder": "random"})
    assert (place.tables, place.checkpoints[0]) == (tmp_path / "tables", tmp_path / "checkpoints")
