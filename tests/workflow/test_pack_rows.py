import dataclasses
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from stilts_utils.data import mirror, sources, task_sets
from stilts_utils.scoring import shortcuts
from stilts_utils.study.source import Source
from stilts_utils.workflow import pack_rows

pytest_plugins = ["tests.own_mirror"]
ROWS = 12  # of every set of the mirror


@pytest.fixture
def few(monkeypatch):
    """Shortcut baselines read 2 training rows, so that a set holds rows that nobody reads."""
    monkeypatch.setattr(shortcuts, "MOST_ROWS", 2)


@pytest.fixture
def read(own_study, few):
    return list(pack_rows.of_study(own_study))


def test_everything_that_a_study_reads(read, own_study):
    found = {(r.task.name, r.arguments["language"], r.arguments["split"], r.candidates) for r in read}
    assert found == {
        ("mnli", "en", "train", False),
        ("xnli", "en", "train", False),
        ("xnli", "en", "test", False),
        ("xnli", "de", "test", False),
        ("tatoeba", "de", "test", False),
        ("tatoeba", "de", "test", True),
        ("panx", "de", "validation", False),  # whose words fertility counts where there are no translations
        ("panx", "en", "validation", False),
    }
    seeds = {r.arguments["seed"] for r in read if r.arguments["split"] == "train"}
    assert seeds == {0, 1, 2}  # of the baselines, and of the study
    assert {len(r.rows) for r in read if r.task.name == "xnli" and r.arguments["split"] == "test"} == {4}


def test_a_pool_of_all_languages_is_read_in_all_of_them(own_study, monkeypatch, few):
    asked = []
    monkeypatch.setattr(sources, "languages", lambda *_: ("de", "el", "en"))
    monkeypatch.setattr(sources, "evaluation_split", lambda *_: "test")
    monkeypatch.setattr(pack_rows.Read, "of", lambda source, **arguments: asked.append(arguments))
    list(
        pack_rows.of_study(
            dataclasses.replace(own_study, targets=own_study.targets | {"lareqa": own_study.targets["tatoeba"]})
        )
    )
    assert {a["language"] for a in asked if a["task_name"] == "lareqa"} == {"de", "el", "en"}
    assert {a["language"] for a in asked if a["task_name"] == "xnli" and a["split"] == "test"} == {"de", "en"}


def test_rows_that_are_read_come_back_and_others_are_empty(read, own_study, tmp_path):
    folder = tmp_path / "packed"
    count = pack_rows.write(read, own_study.data_source, folder)
    for one in read:
        assert one.again(Source("mirror", folder)).to_dict() == one.rows.to_dict()
    stored = {
        file.relative_to(folder).with_suffix("").as_posix(): pq.read_table(file) for file in folder.rglob("*.parquet")
    }
    assert {len(table) for table in stored.values()} == {ROWS}
    kept = {name: sum(cell is not None for cell in table[0].to_pylist()) for name, table in stored.items()}
    assert kept == {
        "nyu-mll/multi_nli/default/train": len(rows_read(read, "train")),
        "facebook/xnli/en/test": ROWS,  # with which training rows are compared
        "facebook/xnli/de/test": 4,
        "google/xtreme/tatoeba.deu/validation": ROWS,  # the pool
        "google/xtreme/PAN-X.de/validation": ROWS,  # fewer than fertility counts
        "google/xtreme/PAN-X.en/validation": ROWS,
    }
    assert 2 < kept["nyu-mll/multi_nli/default/train"] < ROWS - 1
    assert count == sum(kept.values())
    # Labels decide which rows count, and so the order: they stay.
    assert stored["nyu-mll/multi_nli/default/train"]["label"].to_pylist()[:6] == [0, 1, 2, 0, -1, 2]


def test_rows_of_the_hub_are_packed_likewise(own_study, tmp_path, monkeypatch, few):
    def from_hub(rows, source):
        split = "validation" if "PAN-X" in rows.config else rows.split
        return mirror.read(dataclasses.replace(rows, split=split), own_study.data_source)

    monkeypatch.setitem(task_sets.READERS, "hub", SimpleNamespace(read=from_hub, count=lambda *_: None))
    study = dataclasses.replace(own_study, source="hub", mirror=None)
    read = list(pack_rows.of_study(study))
    assert pack_rows.write(read, study.data_source, tmp_path / "packed") > 0
    packed = Source("mirror", tmp_path / "packed")
    assert sources.languages("xnli", packed) == ("de", "en")
    assert all(one.again(packed).to_dict() == one.rows.to_dict() for one in read)


def rows_read(read, split) -> set[str]:
    return {row for one in read if one.arguments["split"] == split for row in one.rows["id"]}


def test_classes_keep_their_names(read, own_study, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    names = ["entailment", "neutral", "contradiction"]
    features = Features({"premise": Value("string"), "hypothesis": Value("string"), "label": ClassLabel(names=names)})
    file = tmp_path / "mirror" / "facebook" / "xnli" / "de" / "test.parquet"
    Dataset.from_parquet(str(file), keep_in_memory=True, cache_dir=str(tmp_path)).cast(features).to_parquet(file)
    pack_rows.write(list(pack_rows.of_study(own_study)), own_study.data_source, tmp_path / "packed")
    again = Dataset(pq.read_table(tmp_path / "packed" / "facebook" / "xnli" / "de" / "test.parquet"))
    assert again.features["label"].names == names


def test_rows_that_differ_stop_the_writing(read, own_study, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_rows.Read, "again", lambda self, source: self.rows.select([]))
    with pytest.raises(ValueError, match="rows of .* differ from those of .*, allowed: the same"):
        pack_rows.write(read, own_study.data_source, tmp_path / "packed")
