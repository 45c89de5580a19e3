import dataclasses

import pandas as pd
import pytest

from stilts_utils.study.settings import Scenarios, Search
from stilts_utils.tables import files
from stilts_utils.timing import load, processes, serving


@pytest.fixture
def asked(tiny_study):
    """The tiny study with scenarios and search."""
    scenarios = Scenarios(("fp32",), seconds=0.02, bound_s=1.0, batch_size=4, rows=2)
    own = {"scenarios": scenarios, "search": Search("retr_bitext", 16, seconds=0.01)}
    return dataclasses.replace(tiny_study, inference=dataclasses.replace(tiny_study.inference, **own))


def test_every_process_is_put_under_load(asked, tiny_place, monkeypatch):
    monkeypatch.setattr(serving, "apart", lambda call, *given: [given[1:]] if call is load.tested else [])
    scenarios = dataclasses.replace(asked.inference.scenarios, processes=2)
    asked = dataclasses.replace(asked, inference=dataclasses.replace(asked.inference, scenarios=scenarios))
    assert serving.served(asked, tiny_place, 1)["scenarios"] == [(tiny_place, 1, 1), (tiny_place, 1, 2)]


def test_every_duration_is_searched_in_every_timed_language(asked, tiny_place):
    rows = serving.searched(dataclasses.replace(asked, seeds=(1, 2)), tiny_place, 2)
    files.check("searches", pd.DataFrame(rows))
    assert [(row["duration"], row["seed"], row["language"]) for row in rows] == [
        (duration, 2, name) for duration in (0, 1, 2, 4) for name in ("en", "de")
    ]
    assert all(row["reached"] for row in rows)


def test_no_process_starts_for_what_is_not_asked(tiny_study, tiny_place, monkeypatch):
    monkeypatch.setattr(serving, "apart", lambda *_: pytest.fail("a process was started"))
    assert serving.served(tiny_study, tiny_place, 1) == {"scenarios": [], "searches": []}


def test_a_process_of_its_own():
    import os

    assert processes.apart(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("recall\n.*greater than 0", lambda: Search("retr_bitext", recall=0)),
        ("inference.scenarios.engines is 'exit'", lambda: Scenarios(("exit",))),
        ("bound_s\n.*greater than 0", lambda: Scenarios(("fp32",), bound_s=0)),
    ],
)
def test_fields_out_of_range_are_refused(field, make):
    with pytest.raises(ValueError, match=field):
        make()


def test_search_needs_a_retrieval_target(tiny_study):
    timing = dataclasses.replace(tiny_study.inference, search=Search("mc_facts"))
    with pytest.raises(ValueError, match="inference.search.target is 'mc_facts', allowed: retr_bitext"):
        dataclasses.replace(tiny_study, inference=timing)
