import shutil

import pytest

from stilts_utils.report import cache
from stilts_utils.tables import digests, files

pytest_plugins = ["tests.fake_study"]


@pytest.fixture
def folder(stored_results, tmp_path, monkeypatch):
    """A folder of stored tables, and a cache of its own."""
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(stored_results / "fake", tmp_path / "fake")


def test_a_report_is_made_once(folder, fake_report, monkeypatch):
    (report,) = cache.reports([folder]).values()
    assert (report / "numbers.json").read_bytes() == (fake_report[0] / "numbers.json").read_bytes()
    assert {path.name for path in (report / "generated").iterdir()} == {
        path.name for path in (fake_report[0] / "generated").iterdir()
    }
    monkeypatch.setattr(cache, "ProcessPoolExecutor", None)  # nothing is made again
    assert cache.reports([folder]) == {"fake": report}


def test_other_tables_code_or_versions_need_another_report(folder, monkeypatch):
    places = [cache.place(folder)]
    files.write("noise", files.read("noise", folder).assign(load=0.5), folder)
    places.append(cache.place(folder))
    for name in ("code_of", "environment"):
        cache._maker.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(digests, name, lambda *_: "other")
            places.append(cache.place(folder))
    cache._maker.cache_clear()
    assert len(set(places)) == 4
