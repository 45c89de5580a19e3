"""The entries against the official lists of Phang et al. and of XTREME-R, to which anybody may add tasks and languages."""

import subprocess
import sys

import pytest

from stilts_utils.tasks import TASKS, TRAINING_LANGUAGE
from stilts_utils.tasks.intermediate import INTERMEDIATE
from stilts_utils.tasks.targets import TARGETS

NINE = ("anli_plus", "mnli", "qqp", "squad", "squad2", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
LANGUAGES = {  # at least, by official target
    "xnli": 15,
    "xcopa": 12,  # with English, which is COPA
    "udpos": 38,
    "panx": 48,
    "xquad": 12,
    "mlqa": 7,
    "tydiqa": 9,
    "tatoeba": 41,
    "bucc": 4,
    "lareqa": 11,
    "mewslix": 11,
}
IN_ENGLISH_TOO = {"tatoeba": False, "bucc": False}


def test_the_nine_intermediate_tasks():
    assert {task.name for task in INTERMEDIATE} >= set(NINE)
    for task in INTERMEDIATE:
        assert task.roles == ("intermediate",) and task.stages >= 1
        assert TRAINING_LANGUAGE in task.languages and task.validation
    assert len(TASKS["anli_plus"].train[0]) == 5
    assert TASKS["squad2"].unanswerable and not TASKS["squad"].unanswerable
    assert TASKS["ccg"].folder_only and not TASKS["mnli"].folder_only


def test_languages_of_the_targets():
    registered = {task.name: task for task in TARGETS}
    assert registered.keys() >= LANGUAGES.keys()
    for name, official in LANGUAGES.items():
        assert len(registered[name].languages) >= official
        assert (TRAINING_LANGUAGE in registered[name].languages) == IN_ENGLISH_TOO.get(name, True)
    assert len({language for task in TARGETS for language in task.languages}) >= 50


@pytest.mark.parametrize("task", TARGETS, ids=lambda task: task.name)
def test_every_language_of_a_target_has_rows_of_its_own(task):
    assert task.roles == ("target",) and task.test
    assert len({str(task.test.of(code)) for code in task.languages.values()}) == len(task.languages)


@pytest.mark.parametrize("task", (*INTERMEDIATE, *TARGETS), ids=lambda task: task.name)
def test_sets_name_their_split_and_licence(task):
    assert task.licence
    for stage in task.train:
        assert all(rows.split.startswith("train") and not rows.multilingual for rows in stage)


def test_xcopa_has_two_training_stages():
    assert [stage[0].hub for stage in TASKS["xcopa"].train] == ["allenai/social_i_qa", "super_glue"]


def test_the_registry_imports_neither_torch_nor_datasets():
    program = "import sys, stilts_utils.tasks; print({'torch', 'datasets', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
