import pytest
from datasets import Dataset

from stilts_utils import sources
from stilts_utils.tasks import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_columns_are_those_of_the_task(task):
    rows = sources.load(task, "de", "test", limit=3)
    assert isinstance(rows, Dataset) and len(rows) == 3
    assert rows.features == TASKS[task].features


def test_limit_beyond_the_pool_gives_what_exists():
    assert len(sources.load("mc_facts", "en", "test", limit=10_000)) == len(sources.load("mc_facts", "en", "test"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "web"}, "source is 'web', allowed: embedded; leave it out"),
        ({"task": "xnli"}, "task is 'xnli', allowed: "),
        ({"split": "dev"}, "split is 'dev', allowed for dtag: train, validation, test"),
        ({"task": "retr_el", "split": "train"}, "retr_el has no training rows: load its test split"),
        ({"language": "ht"}, "language is 'ht', allowed for dtag from source 'embedded': af, ar, "),
        ({"language": "xx"}, "choose one, or a task that has the language"),
        ({"limit": 0}, "limit is 0, allowed: 1 or more, or None"),
    ],
)
def test_errors_name_the_argument_and_what_is_allowed(changes, message):
    arguments = {"task": "dtag", "language": "en", "split": "test"} | changes
    with pytest.raises(ValueError) as error:
        sources.load(**arguments)
    assert message in str(error.value)


def test_languages_of_an_unknown_task_or_source():
    with pytest.raises(ValueError, match="task is 'xnli'"):
        sources.languages("xnli")
    with pytest.raises(ValueError, match="source is 'web'"):
        sources.languages("dtag", source="web")
