"""Files that are not as they were written are refused, with the next command."""

import json

import pytest

from stilts_utils import ROOT
from stilts_utils.analysis import findings
from stilts_utils.tables import files, manifest, provenance, store, study_tables
from stilts_utils.tables.errors import RecordError
from tests import fake_study

pytest_plugins = ["tests.fake_study"]

THEN = "`make study STUDY=fake` runs what is missing"


@pytest.fixture
def stored(fake_folder, tmp_path):
    return store.store(fake_folder, tmp_path / "results" / "fake")


def test_stored_results_hold_digest_and_rows_of_every_table(stored, found):
    about = provenance.read(stored)
    assert about["tables"] == manifest.of(stored)
    assert {name: entry["rows"] for name, entry in about["tables"].items()} == {
        name: len(frame) for name, frame in found.tables.items()
    }
    assert not list(stored.rglob(manifest.FILE))


RESTORE = r"restore it \(`git checkout -- results/fake`\), or `make study STUDY=fake` and `make results STUDY=fake`"


@pytest.mark.parametrize("name", ["scores", "timings", "lacking", "jobs", "scenarios", "fertility", "costs"])
def test_a_row_taken_out_of_stored_results_is_missed_whatever_the_table(stored, name):
    frame = files.read(name, stored)
    files.save(name, frame.iloc[1:], stored)
    said = f"{name}.parquet is not what was written: it has {len(frame) - 1} rows, and {len(frame)} were written"
    with pytest.raises(RecordError, match=f"{said}: {RESTORE}"):
        findings.analyse(stored)


@pytest.mark.parametrize("place", [5, 200, -3])
def test_flipped_bytes_are_an_error_that_names_the_file(stored, place):
    file = stored / "items.parquet"
    raw = bytearray(file.read_bytes())
    raw[place] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(RecordError, match=f"items.parquet is not what was written: .*{RESTORE}"):
        findings.analyse(stored)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", None])
def test_a_broken_file_is_an_error_also_where_nothing_checks_digests(tmp_path, damage):
    path = files.write("scores", fake_study.tables()["scores"], tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[:40] + bytes(200) + raw[240:] if damage is None else damage)
    with pytest.raises(RecordError, match=f"table scores: .*restore it below {tmp_path}"):
        files.read("scores", tmp_path)


def test_a_table_too_many_or_too_few_is_named(stored):
    (stored / "more").mkdir()
    (stored / "more" / "items.parquet").write_bytes((stored / "items.parquet").read_bytes())
    with pytest.raises(RecordError, match="more/items.parquet has no digest"):
        findings.analyse(stored)
    (stored / "more" / "items.parquet").unlink()
    (stored / "noise.parquet").unlink()
    with pytest.raises(RecordError, match="noise.parquet is missing; it had 16 rows"):
        findings.analyse(stored)


def test_stored_results_without_digests_name_the_command_that_adds_them(stored):
    file = stored / provenance.FILE
    about = json.loads(file.read_text(encoding="utf8"))
    del about["tables"]
    file.write_text(json.dumps(about), encoding="utf8")
    with pytest.raises(RecordError, match=f"tables.store --digests {stored}` adds them"):
        findings.analyse(stored)
    before = {path: path.read_bytes() for path in stored.rglob("*.parquet")}
    store.add_digests(stored)
    assert {path: path.read_bytes() for path in stored.rglob("*.parquet")} == before
    assert len(provenance.read(stored)["digests_added"]) == 10 and findings.analyse(stored).timed


def test_digests_are_not_added_to_tables_that_are_not_whole(stored):
    files.save("noise", files.read("noise", stored).iloc[1:], stored)
    before = (stored / provenance.FILE).read_bytes()
    with pytest.raises(RecordError, match="table noise lacks rows"):
        store.add_digests(stored)
    assert (stored / provenance.FILE).read_bytes() == before


def test_tables_of_a_run_that_were_changed_since_are_refused(variant):
    folder = variant()
    place = folder / "4_inference/mc_facts-s1/tables"
    files.save("noise", files.read("noise", folder).iloc[1:], place)
    said = f"noise.parquet is not what was written: it has 15 rows, and 16 were written: {THEN}"
    with pytest.raises(RecordError, match=said):
        findings.analyse(folder)
    (place / manifest.FILE).write_text("[", encoding="utf8")
    with pytest.raises(RecordError, match="tables.json is broken"):
        findings.analyse(folder)
    (place / manifest.FILE).unlink()
    with pytest.raises(RecordError, match="tables.json is missing"):
        findings.analyse(folder)


@pytest.mark.parametrize("name", provenance.stored())
def test_results_that_the_repository_stores_are_whole(name):
    folder = ROOT / "results" / name
    study_tables.check_digests(folder, provenance.read(folder), "")
    assert all(about["tables"] for about in [provenance.read(folder)])
