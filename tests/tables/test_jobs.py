import json

import pandas as pd
import pytest

from stilts_utils.tables import files as records
from stilts_utils.tables import jobs, schema

pytest_plugins = ["tests.fake_study"]
HEAD = "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n"


@pytest.fixture
def study(tmp_path, monkeypatch, about):
    """A study's folder with two executed notebooks, checkpoints and a cache of encoders beside it."""
    files = {
        "study/1_pretrained/baseline/tables/provenance.json": json.dumps(about),
        "study/2_intermediate/temprel-s1/benchmark.tsv": f"{HEAD}11.5\t0:00:11\t845.5\t4079.0\t10.7\n",
        "study/2_intermediate/temprel-s1/tables/training.parquet": "x" * 500_000,
        "study/3_target/none-0-s1/benchmark.tsv": f"{HEAD}3.0\t0:00:03\t1.0\t1.0\t1.0\n20.0\t0:00:20\t900.0\t1.0\t1.0\n",
        "study/checkpoints/intermediate/temprel-4-s1.safetensors": "x" * 2_000_000,
        "cache/random/model.safetensors": "x" * 1_000_000,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf8")
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "study"


def test_benchmarks_become_rows_and_what_is_stored_beside_them_too(study):
    found = jobs.read(study)
    records.check("jobs", found)
    rows = found.set_index(["phase", "run"])
    assert rows.loc[("2_intermediate", "temprel-s1"), "seconds":].tolist() == pytest.approx(
        [11.5, 845.5, 0.5], abs=1e-3
    )
    assert rows.loc[jobs.STORED, "checkpoints"].tolist() == pytest.approx([0.0, 0.0, 0.0, 2.0])
    assert rows.loc[jobs.STORED, "encoders"].tolist() == pytest.approx([0.0, 0.0, 0.0, 1.0])
    assert len(found) == 4


def test_of_a_repeated_benchmark_the_last_line_counts(study):
    assert jobs.read(study).set_index("run").loc["none-0-s1", ["seconds", "peak_mb"]].tolist() == [20.0, 900.0]


def test_a_run_that_the_study_no_longer_has_does_not_count(study):
    before = jobs.read(study)
    (study / "3_target/temprel-8-s1").mkdir()
    (study / "3_target/temprel-8-s1/benchmark.tsv").write_text(f"{HEAD}3.0\t0:00:03\t1.0\t1.0\t1.0\n", encoding="utf8")
    pd.testing.assert_frame_equal(jobs.read(study), before)


def test_a_stored_table_is_read_where_there_are_no_benchmarks(study, tmp_path, about):
    stored = jobs.read(study)
    records.write("jobs", stored, tmp_path / "results")
    (tmp_path / "results" / "provenance.json").write_text(json.dumps(about), encoding="utf8")
    read = jobs.read(tmp_path / "results")
    pd.testing.assert_frame_equal(read, stored.sort_values(["phase", "run"], ignore_index=True))


def test_without_either_there_are_no_rows(tmp_path, about):
    (tmp_path / "provenance.json").write_text(json.dumps(about), encoding="utf8")
    found = jobs.read(tmp_path)
    assert found.empty and list(found.columns) == list(schema.TABLES["jobs"].columns)


RUNS = pd.DataFrame(
    [(0.0, 10.0, 100.0), (5.0, 10.0, 200.0), (15.0, 5.0, 250.0), (100.0, 1.0, 50.0)],
    columns=["began", "seconds", "peak_mb"],
)


def test_runs_side_by_side_count_once_and_breaks_do_not_count():
    assert jobs.elapsed(RUNS) == 21.0
    assert jobs.elapsed(RUNS[::-1]) == 21.0
    assert jobs.elapsed(RUNS.iloc[:0]) == 0.0


def test_the_peaks_of_runs_side_by_side_add_up():
    assert jobs.peak_mb(RUNS) == 300.0  # the first two; the third begins when the second ends
    assert jobs.peak_mb(RUNS.iloc[2:]) == 250.0


def test_the_first_run_begins_at_zero(study):
    began = jobs.read(study).began
    assert began.min() == 0.0 and (began >= 0).all()


def test_runs_of_another_day_count_one_after_another_before_those_of_this_one(tmp_path, about):
    about["runs"] = ["2_intermediate/a-s1", "2_intermediate/a-s2", "3_target/b-s1"]
    for key in about["runs"][:2]:
        (tmp_path / key).mkdir(parents=True)
        jobs.write(pd.Series({"seconds": 60.0, "peak_mb": 100.0}), tmp_path / key)
    place = tmp_path / about["runs"][2]
    place.mkdir(parents=True)
    (place / "benchmark.tsv").write_text("s\th:m:s\tmax_rss\n30\t0:00:30\t300\n", encoding="utf8")
    (place / "provenance.json").write_text(json.dumps(about), encoding="utf8")
    rows = jobs.read(tmp_path)
    rows = rows[rows.phase != jobs.STORED]
    assert rows.began.tolist() == [0.0, 60.0, 120.0]
    assert jobs.elapsed(rows) == 150.0 and jobs.peak_mb(rows) == 300.0
