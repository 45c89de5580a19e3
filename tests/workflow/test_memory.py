import dataclasses

import pandas as pd
import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.workflow import memory

PHASES = ("1_pretrained", "2_intermediate", "3_target", "4_inference")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of its own, without results."""
    for module in ("stilts_utils.study.study", "stilts_utils.workflow.memory"):
        monkeypatch.setattr(f"{module}.ROOT", tmp_path)
    (tmp_path / "studies").mkdir()
    return tmp_path


@pytest.fixture
def study(root):
    """`study(name, **changes)`: the smoke study of another name, whose file is in the repository."""

    def make(name, **changes):
        values = yaml.safe_load((ROOT / "studies/smoke.yaml").read_text(encoding="utf8")) | changes
        file = root / "studies" / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf8")
        return Study.load(file)

    return make


def measure(root, place, *peaks):
    """Write the benchmark files of runs of the third phase with these peaks."""
    for number, peak in enumerate(peaks):
        folder = root / place / "3_target" / f"run-{number}"
        folder.mkdir(parents=True)
        pd.DataFrame({"s": [9.0], "max_rss": [peak]}).to_csv(folder / "benchmark.tsv", sep="\t", index=False)


def store(root, name, **peaks):
    """Store results with runs of these peaks, by phase."""
    folder = root / "results" / name
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text("{}", encoding="utf8")
    rows = [{"phase": f"3_{phase}", "peak_mb": peak} for phase, peak in peaks.items()]
    pd.DataFrame(rows).to_parquet(folder / "jobs.parquet")


def test_without_a_measurement_the_source_says_how_much(study):
    assert memory.asked_mb(study("new")) == dict.fromkeys(PHASES, memory.ASSUMED_MB["embedded"])


def test_the_assumption_covers_the_largest_peak_of_a_stored_study_of_its_source():
    for name in ("mini", "adaptive", "xtreme_r_cpu"):
        source = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text(encoding="utf8"))["source"]
        assert max(memory.peaks(ROOT / "results" / name).values()) < memory.ASSUMED_MB[source]


def test_the_largest_peak_here_counts_with_some_to_spare(study, root):
    new = study("new")
    measure(root, "runs/new", 1000.0, 2000.0)
    assert memory.asked_mb(new) == dict.fromkeys(PHASES, memory.ASSUMED_MB["embedded"]) | {"3_target": 2600}


def test_stored_runs_count_where_none_ran_here(study, root):
    new = study("new")
    store(root, "new", target=5726.0)
    assert memory.asked_mb(new)["3_target"] == 7500
    measure(root, "runs/new", 1000.0)
    assert memory.asked_mb(new)["3_target"] == 1300


def test_a_study_of_the_same_encoder_stands_for_one_that_was_never_run(study, root):
    new = study("new")
    for name, peak in (("other", 1000.0), ("larger", 3000.0)):
        study(name, title=name)
        store(root, name, target=peak)
    study("unlike", layers=1)
    store(root, "unlike", target=9000.0)
    store(root, "without_a_file", target=9000.0)
    assert memory.asked_mb(new)["3_target"] == 3900


def test_a_study_on_gpus_counts_on_its_own_runs_alone(study, root):
    new = dataclasses.replace(study("new"), gpus=1)
    study("other")
    store(root, "other", target=1000.0)
    assert memory.asked_mb(new)["3_target"] == memory.ASSUMED_MB["embedded"]
    measure(root, "runs/new", 4000.0)
    assert memory.asked_mb(new)["3_target"] == 5200


def test_a_run_too_short_to_be_measured_says_nothing(study, root):
    measure(root, "runs/new", 0.0)
    assert memory.asked_mb(study("new"))["3_target"] == memory.ASSUMED_MB["embedded"]
