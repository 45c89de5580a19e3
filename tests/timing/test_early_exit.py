import dataclasses

import pytest

from stilts_utils.study.settings import Exits
from stilts_utils.study.validation import StudyError
from stilts_utils.timing import early_exit


@pytest.fixture
def study(tiny_study, monkeypatch):
    monkeypatch.setattr(
        early_exit,
        "evaluation_rows",
        lambda study, target, language, limit: [f"{language}{i}" for i in range(4)][:limit],
    )
    exits = Exits("mc_facts", requests=4, batch_size=2)
    return dataclasses.replace(tiny_study, inference=dataclasses.replace(tiny_study.inference, exits=exits))


def test_the_same_rows_are_asked_one_by_one_and_in_batches(study):
    requests = early_exit.requests_of(study)
    assert requests[1]["en"] == [["en0"], ["en1"], ["en2"], ["en3"]] and requests[2]["en"] == [
        ["en0", "en1"],
        ["en2", "en3"],
    ]
    assert list(requests[1]) == list(requests[2]) == list(study.inference.languages)


def test_more_requests_than_rows_are_refused(study):
    exits = dataclasses.replace(study.inference.exits, requests=6)
    more = dataclasses.replace(study, inference=dataclasses.replace(study.inference, exits=exits))
    with pytest.raises(
        StudyError, match="inference.exits.requests is 6, allowed: 4 or less: mc_facts has no more rows in en"
    ):
        early_exit.requests_of(more)


def test_a_batch_that_would_not_be_full_is_refused():
    with pytest.raises(ValueError, match="inference.exits.batch_size is 4, allowed: a divisor of requests, 6"):
        Exits("mc_facts", requests=6, batch_size=4)
