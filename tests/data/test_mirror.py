import pytest

from stilts_utils.data import mirror as reader
from stilts_utils.study.source import Source
from stilts_utils.tasks import HubRows

pytest_plugins = ["tests.mirror_folder"]

ROWS = HubRows("maker/set", "de", "test", {"id": "id"})


def test_rows_and_their_number(mirror):
    assert reader.count(ROWS, mirror.source) == 0
    mirror.write(ROWS, [{"id": "finnish-1"}, {"id": "korean-1"}, {"id": "korean-2"}])
    assert reader.count(ROWS, mirror.source) == 3
    assert reader.read(ROWS, mirror.source)["id"][:] == ["finnish-1", "korean-1", "korean-2"]
    by_language = HubRows("maker/set", "de", "test", {"id": "id"}, only="{language}-")
    assert [reader.count(by_language.of(code), mirror.source) for code in ("finnish", "korean", "thai")] == [1, 2, 0]


def test_reading_fills_no_cache(mirror, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    mirror.write(ROWS, [{"id": "a"}])
    cached = set(cache.rglob("*"))  # of writing
    reader.read(ROWS, mirror.source)
    assert set(cache.rglob("*")) == cached


def test_a_missing_file_is_named(mirror):
    with pytest.raises(ValueError, match="maker/set de test is missing: there is no .*/maker/set/de/test.parquet"):
        reader.read(ROWS, mirror.source)


def test_the_folder_is_given_or_in_the_environment(mirror, monkeypatch):
    for root in (None, mirror.root / "elsewhere"):
        with pytest.raises(ValueError, match="allowed: a folder in hub layout; name it as `mirror:`"):
            reader.folder(Source("mirror", root))
    monkeypatch.setenv("STILTS_MIRROR", str(mirror.root))
    assert reader.folder(Source("mirror")) == mirror.root
