"""The entries against the official lists of Phang et al. and of XTREME-R."""

import subprocess
import sys

import pytest

from stilts_utils.tasks import TASKS, TRAINING_LANGUAGE
from stilts_utils.tasks.intermediate import INTERMEDIATE
from stilts_utils.tasks.targets import TARGETS

LANGUAGES = {
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
    names = "anli_plus mnli qqp squad squad2 hellaswag ccg cosmosqa commonsenseqa"
    assert " ".join(task.name for task in INTERMEDIATE) == names
    for task in INTERMEDIATE:
        assert task.roles == ("intermediate",) and task.stages == 1
        assert set(task.languages) == {TRAINING_LANGUAGE} and task.validation and not task.test
    assert [len(task.train[0]) for task in INTERMEDIATE] == [5, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [task.name for task in INTERMEDIATE if task.unanswerable] == ["squad2"]
    assert [task.name for task in INTERMEDIATE if task.folder_only] == ["ccg"]


def test_languages_of_the_targets():
    assert {task.name: len(task.languages) for task in TARGETS} == LANGUAGES
    for task in TARGETS:
        assert task.test.multilingual and task.roles == ("target",)
        assert (TRAINING_LANGUAGE in task.languages) == IN_ENGLISH_TOO.get(task.name, True)
        assert len({str(task.test.of(code)) for code in task.languages.values()}) == len(task.languages)
    everything = {language for task in TARGETS for language in task.languages}
    assert len(everything) == 50


@pytest.mark.parametrize("task", (*INTERMEDIATE, *TARGETS), ids=lambda task: task.name)
def test_sets_name_their_split_and_licence(task):
    assert task.licence and task.max_length
    for stage in task.train:
        assert all(rows.split.startswith("train") and not rows.multilingual for rows in stage)


def test_only_xcopa_has_two_training_stages():
    assert [task.name for task in TASKS.values() if task.stages > 1] == ["xcopa"]
    assert [stage[0].hub for stage in TASKS["xcopa"].train] == ["allenai/social_i_qa", "super_glue"]


def test_the_registry_imports_neither_torch_nor_datasets():
    program = "import sys, stilts_utils.tasks; print({'torch', 'datasets', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
