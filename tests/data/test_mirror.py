import pytest

from stilts_utils.data import mirror as source
from stilts_utils.tasks import HubRows

pytest_plugins = ["tests.mirror_folder"]

ROWS = HubRows("maker/set", "de", "test", {"id": "id"})


def test_rows_and_their_number(mirror):
    assert source.count(ROWS, mirror.root) == 0
    mirror.write(ROWS, [{"id": "finnish-1"}, {"id": "korean-1"}, {"id": "korean-2"}])
    assert source.count(ROWS, mirror.root) == 3
    assert source.read(ROWS, mirror.root)["id"][:] == ["finnish-1", "korean-1", "korean-2"]
    by_language = HubRows("maker/set", "de", "test", {"id": "id"}, only="{language}-")
    assert [source.count(by_language.of(code), mirror.root) for code in ("finnish", "korean", "thai")] == [1, 2, 0]


def test_reading_fills_no_cache(mirror, monkeypatch, tmp_path):
    cache = tmp_path / "cache"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    mirror.write(ROWS, [{"id": "a"}])
    cached = set(cache.rglob("*"))  # of writing
    source.read(ROWS, mirror.root)
    assert set(cache.rglob("*")) == cached


def test_a_lacking_file_is_named(mirror):
    with pytest.raises(ValueError, match="maker/set de test is lacking: there is no .*/maker/set/de/test.parquet"):
        source.read(ROWS, mirror.root)


def test_the_folder_is_given_or_in_the_environment(mirror, monkeypatch):
    for root in (None, mirror.root / "elsewhere"):
        with pytest.raises(ValueError, match="allowed: a folder in hub layout; name it as `mirror:`"):
            source.folder(root)
    monkeypatch.setenv("STILTS_MIRROR", str(mirror.root))
    assert source.folder(None) == mirror.root
