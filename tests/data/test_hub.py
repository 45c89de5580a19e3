import datasets
import pytest

from stilts_utils.data import hub
from stilts_utils.study.source import Source
from stilts_utils.tasks import HubRows

ROWS, HUB = HubRows("maker/set", "de", "test", {}), Source("hub")


@pytest.fixture
def loads(monkeypatch):
    """`loads(*answers)`: what calls of load_dataset give in turn, raised if an exception. Returns the calls."""
    hub._load.cache_clear()

    def prepare(*answers):
        calls, left = [], list(answers)

        def load_dataset(*args, **options):
            calls.append((args, options))
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return calls

    yield prepare
    hub._load.cache_clear()


def test_a_set_is_loaded_once_by_its_names(loads):
    calls = loads("rows")
    assert hub.read(ROWS, HUB) == hub.read(ROWS, HUB) == "rows"
    assert calls == [(("maker/set", "de"), {"split": "test"})]
    assert hub.count(ROWS, HUB) is None


def test_of_a_script_the_hubs_parquet_conversion_is_read(loads):
    calls = loads(RuntimeError("Dataset scripts are no longer supported, but found set.py"), "rows")
    assert hub.read(ROWS, HUB) == "rows"
    files = {"test": "de/test/*.parquet"}
    assert calls[1] == (("maker/set",), {"data_files": files, "split": "test", "revision": "refs/convert/parquet"})
    assert not any("trust_remote_code" in options for _, options in calls)


@pytest.mark.parametrize("error", [ConnectionError("no route\nmore"), RuntimeError("no route"), ValueError("no route")])
def test_a_failure_names_the_set_and_what_to_check(loads, error):
    loads(error)
    with pytest.raises(ValueError, match="no route") as raised:
        hub.read(ROWS, HUB)
    for said in ("'maker/set'", "'de'", "'test'", "HF_HUB_OFFLINE", "HF_TOKEN", "source: mirror"):
        assert said in str(raised.value)
    assert "more" not in str(raised.value).split(";")[0]


def test_the_token_is_never_said(loads, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    loads(PermissionError("401 for hf_secret"))
    with pytest.raises(ValueError, match=r"401 for \*\*\*") as raised:
        hub.read(ROWS, HUB)
    assert raised.value.__cause__ is None and raised.value.__context__ is None
