import dataclasses
import json
import re

import pandas as pd
import pytest

from stilts_utils import ROOT
from stilts_utils.analysis import findings, latency
from stilts_utils.report import beside, chapters, compare, data_page, verdicts
from stilts_utils.report import numbers as report
from tests import fake_study

pytest_plugins = ["tests.fake_study"]
TEXT = "".join(path.read_text(encoding="utf8") for path in sorted((ROOT / "book").glob("*.md*")))
NAMED = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", TEXT))
FOUND = set(re.findall(r'call figure\("\w+", (\w+)\)', TEXT))  # the findings that captions start with
FILES = {f"{name}{end}.svg" for name in re.findall(r'call figure\("(\w+)"', TEXT) for end in ("", "-narrow")}
FILES |= {f"{name}.svg" for name in re.findall(r'call drawing\("(\w+)"', TEXT)}
FILES |= {f"figure_{name}.csv" for name in re.findall(r'call figure\("(\w+)"', TEXT)}
OF_ARMS = ("arms", "arm_costs", "forms", "lexical")  # of several arms, which the fake study has not
FILES |= {
    f"{name}.{kind}"
    for name in re.findall(r'call table\("(\w+)"', TEXT)
    for kind in ("md", "csv")
    if name not in OF_ARMS
}


def test_the_pages_show_every_number_table_and_figure_and_nothing_else(fake_report, untimed_report, tmp_path):
    folder, numbers = fake_report
    of_all = chapters._answer({"fake": folder}, "fake", tmp_path).keys() - {"answer_advice"} | {
        "line"
    }  # a list, line by line
    of_all |= beside.values(compare.read("fake", folder), {"fake": folder}, str, False).keys() - {"beside_run"}
    of_all |= data_page.values({"fake": folder}, str).keys()
    named = numbers.keys() | untimed_report[1].keys() | of_all
    given = {"generated", "prefix", "name", "alt", "found", "heading", "file", "runs_page", "bibtex"}
    assert named == (NAMED | FOUND) - given
    said = json.loads((folder / "tables.json").read_text(encoding="utf8"))["said"]
    there = FILES - {f"{name}.md" for name in said}
    assert {path.name for path in (folder / "generated").iterdir()} == there and set(said) == {"throughput"}
    assert all((folder / "generated" / name).stat().st_size for name in there)


def test_no_number_is_empty_or_names_another(fake_report):
    for name, value in fake_report[1].items():
        assert isinstance(value, str) and value.strip() == value != "", name
        assert not re.search(r"\{\{|\}\}|\bnan\b|\binf\b|None", value), name


def test_the_numbers_file_holds_the_numbers(fake_report):
    folder, numbers = fake_report
    assert json.loads((folder / "numbers.json").read_text(encoding="utf8")) == numbers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("durations_list", "0, 4 and 16"),
        ("longest_duration", "16"),
        ("middle_layer", "2"),
        ("encoder_parameters", "42 k"),
        ("items_per_language", "40, 40 for retr_bitext"),
        ("engines", "fp32 and bf16"),
        ("margin_percent", "2"),
        ("timing_languages", "en and de"),
        ("dense_ratio_range", "1.000 to 1.004"),
        ("dense_worst_interval", "1.003 to 1.005"),
        ("dense_detectable", "0.4 to 0.4 %"),
        ("dense_verdict_counts", "8 of 8 equivalent"),
        ("subnormal_weights", "6"),
        ("lacking_count", "1"),
        ("left_out_count", "3"),
        ("total_minutes", "6.7"),  # 400 s
        ("elapsed_minutes", "6.5"),  # 390 s: two notebooks ran side by side for 10 s
        ("train_minutes", "2.0"),
        ("evaluate_minutes", "1.0"),
        ("timing_minutes", "2.0"),
        ("overhead_percent", "25"),  # loading counts as overhead: 300 s of 400 s were not
        ("peak_memory_gb", "2.0"),
        ("disk_gb", "2.0"),
        ("trajectory_overhead_ratio", "1.05"),
        ("ran_on", "A fake CPU, 2 cores, 2026-01-31, commit 0123456789ab"),
    ],
)
def test_known_numbers(fake_report, name, value):
    assert fake_report[1][name] == value


@pytest.mark.parametrize(("count", "text"), [(41_952, "42 k"), (1_000_000, "1 M"), (117_653_760, "118 M")])
def test_parameters_are_counted_in_thousands_and_millions(found, count, text):
    encoder = found.provenance["encoder"] | {"parameters": count}
    about = dataclasses.replace(found, provenance=found.provenance | {"encoder": encoder})
    assert report.numbers(about)["encoder_parameters"] == text


def test_timings_of_another_machine_name_both(found):
    timed = {
        "commit": "ba9876543210+",
        "date": "2026-02-01",
        "machine": found.provenance["machine"] | {"device": "A GPU"},
    }
    numbers = report.numbers(dataclasses.replace(found, provenance=found.provenance | {"timed": timed}))
    assert numbers["device"] == "A GPU"
    assert numbers["ran_on"] == (
        "timed on A GPU, A fake CPU, 2 cores, 2026-02-01, commit ba9876543210 with uncommitted changes; "
        "trained and scored on A fake CPU, 2 cores, 2026-01-31, commit 0123456789ab"
    )


@pytest.mark.parametrize("name", ["packaged", "random", "FacebookAI/xlm-roberta-base"])
def test_every_encoder_has_a_note(found, name):
    encoder = found.provenance["encoder"] | {"name": name}
    about = dataclasses.replace(found, provenance=found.provenance | {"encoder": encoder})
    assert report.numbers(about)["encoder_kind_note"].endswith(".")


def test_the_same_tables_give_the_same_bytes(fake_report, fake_folder, tmp_path):
    report.write(findings.analyse(fake_folder), tmp_path / "again")
    files = sorted(path.relative_to(fake_report[0]) for path in fake_report[0].rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    for file in files:
        assert (fake_report[0] / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_a_report_is_written_whole_or_not_at_all(found, tmp_path, monkeypatch):
    old = tmp_path / "report" / "generated" / "old.md"
    old.parent.mkdir(parents=True)
    old.write_text("old", encoding="utf8")

    def fail(found):
        raise ValueError("a figure failed")

    with monkeypatch.context() as patch:
        patch.setattr(report, "drawn", fail)
        with pytest.raises(ValueError, match="a figure failed"):
            report.write(found, tmp_path / "report")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [old]
    monkeypatch.setattr(report, "drawn", lambda found: {})
    report.write(found, tmp_path / "report")
    assert not old.exists() and (tmp_path / "report" / "numbers.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_notebooks_run_by_hand_have_no_memory_and_disk_to_report(found):
    alone = dataclasses.replace(found, tables=found.tables | {"jobs": found.tables["jobs"].iloc[:0]})
    numbers = report.numbers(alone)
    assert numbers["peak_memory_gb"] == numbers["disk_gb"] == "not measured"
    assert (numbers["total_minutes"], numbers["overhead_percent"]) == ("5.1", "2")  # 306 s, 6 of them loading


def test_unusable_timings_are_reported(found):
    ratios, controls = found.ratios.copy(), found.controls.assign(usable=False, reason="disturbed")
    ratios.loc[ratios.verdict != "control", "verdict"] = "not measured"
    numbers = report.numbers(dataclasses.replace(found, ratios=ratios, controls=controls))
    assert numbers["dense_verdict_counts"] == "8 of 8 not measured"
    assert "was not measured" in numbers["answer_sentence"] and "none of 4" in numbers["answer_controls_sentence"]


def test_a_setting_whose_blocks_all_stalled_is_unusable_and_the_report_is_whole(variant, tmp_path):
    timings = fake_study.tables()["timings"]
    names = list(timings.condition.unique())
    turn = timings.condition == timings.block.map(lambda block: names[block % len(names)])
    slow = turn & (timings.engine == "fp32") & (timings.batch_size == 1)
    stalled = timings.assign(forward_s=timings.forward_s.where(~slow, 10 * timings.forward_s))
    counts = latency.stalled_blocks(stalled)[[*latency.PROCESS, "stalled"]]
    noise = fake_study.tables()["noise"].drop(columns="stalled").merge(counts, on=latency.PROCESS)
    found = findings.analyse(variant(timings=stalled, noise=noise))
    cells = found.ratios[(found.ratios.engine == "fp32") & (found.ratios.batch_size == 1)]
    assert set(cells.verdict) == {"not measured", "control"} and set(cells.processes) == {0}
    numbers = report.write(found, tmp_path / "report")
    assert "not measured: unusable" in numbers["answer_sentence"]
    assert verdicts.verdicts(found).set_index("No.").Verdict["H1"] == "undecided"


def test_a_study_that_was_not_timed_says_so_and_has_nothing_that_needs_timings(fake_report, untimed_report):
    folder, numbers = untimed_report
    assert numbers["untimed_sentence"] == (
        "This study was trained and scored on A fake CPU, 2 cores, 2026-01-31, commit 0123456789ab; it was not timed."
    )
    absent = fake_report[1].keys() - numbers.keys()
    assert {"answer_sentence", "answer_controls_sentence", "margin_percent", "total_minutes", "cpu"} <= absent
    assert numbers.keys() - fake_report[1].keys() == {"untimed_sentence"}
    assert numbers["exit_cost"] == "the mean exit layer"  # there are no seconds to compare
    by_depth = {"study_headline", "untimed_sentence", "exit_cost", "answer_exits_sentence", "found_equal_accuracy"}
    assert all(numbers[name] == fake_report[1][name] for name in numbers.keys() - by_depth)
    files, all_files = ({path.name for path in (f / "generated").iterdir()} for f in (folder, fake_report[0]))
    assert files <= all_files and {"quality.svg", "layers.svg", "exit_languages.md"} <= files
    assert not files & {
        "answer.svg",
        "latency.svg",
        "latency-narrow.svg",
        "parts.svg",
        "costs.svg",
        "latency.md",
        "noise.md",
        "speed.md",
    }


def test_a_target_that_is_not_read_by_its_official_metric_is_named(found):
    """Where tables are older than the choice of the official metric."""
    scores = found.tables["scores"].replace(fake_study.DATA_SETS).replace({"accuracy": "accuracy_to_english"})
    study = found.study | {"source": "hub", "targets": {"tatoeba": found.study["targets"]["retr_bitext"]}}
    read = dataclasses.replace(
        found, provenance=found.provenance | {"study": study}, tables=found.tables | {"scores": scores}
    )
    assert read.unofficial == {"tatoeba": "accuracy_to_english"}
    note = report._material_note(read)
    assert "Metrics are the official ones, but for tatoeba; retrieval" in note
    assert note.endswith(
        " tatoeba is scored by accuracy_to_english, from the language to English, not in the official direction."
    )
    scores = pd.concat([scores, scores.replace({"accuracy_to_english": "accuracy"})])
    assert not dataclasses.replace(read, tables=found.tables | {"scores": scores}).unofficial
