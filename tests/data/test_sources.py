import os

import pytest
from datasets import Dataset

from stilts_utils.data import columns, embedded, leakage, sources
from stilts_utils.study.source import MIRROR, Source
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.mirror_folder"]

HUB, OF_MACHINE = Source("hub"), Source("mirror")
MADE = {  # one hub row of every shape that is not retrieval, by task
    "xnli": {"premise": "p", "hypothesis": "h", "label": 1},
    "xcopa": {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 1},
    "panx": {"tokens": ["a", "b"], "ner_tags": [0, 1]},
    "xquad": {"id": "x", "context": "a b", "question": "q", "answers": {"text": ["b"], "answer_start": [2]}},
}


@pytest.mark.parametrize("task", embedded.tasks())
def test_columns_are_those_of_the_task(task):
    rows = sources.load(task, "de", "test", limit=3)
    assert isinstance(rows, Dataset) and len(rows) == 3
    assert rows.features == columns.features(TASKS[task])


@pytest.mark.parametrize("task", [task for task in embedded.tasks() if TASKS[task].shape == "retrieval"])
@pytest.mark.parametrize("limit", [None, 3])
def test_candidates_of_a_generated_task(task, limit):
    rows, found = sources.load(task, "de", "test", limit=limit), sources.candidates(task, "de", limit=limit)
    assert found.features == columns.CANDIDATE_FEATURES
    ids = set(found["id"])
    assert len(ids) == len(found) and all(ids & set(row["right"]) for row in rows)


def test_limit_beyond_the_pool_gives_what_exists():
    assert len(sources.load("mc_facts", "en", "test", limit=10_000)) == len(sources.load("mc_facts", "en", "test"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_name": "xlni"}, "task is 'xlni', allowed: "),
        ({"task_name": "xnli"}, "source is 'embedded', allowed for xnli: hub, mirror; choose one, or another task"),
        ({"source": HUB}, "source is 'hub', allowed for dtag: embedded"),
        ({"split": "dev"}, "split is 'dev', allowed for dtag: train, validation, test"),
        ({"task_name": "retr_el", "split": "train"}, "retr_el has no training rows: load its test split"),
        ({"language": "ht"}, "language is 'ht', allowed for dtag from source 'embedded', test: af, ar, "),
        ({"language": "xx"}, "choose one, or a task that has the language"),
        ({"limit": 0}, "limit is 0, allowed: 1 or more, or None"),
        ({"task_name": "mnli", "source": HUB}, "split is 'test', allowed for mnli: train, validation"),
        (
            {"task_name": "xnli", "source": HUB, "language": "fi"},
            "language is 'fi', allowed for xnli from source 'hub'",
        ),
        ({"task_name": "xnli", "source": HUB, "split": "train", "language": "de"}, "source 'hub', train: en; choose"),
    ],
)
def test_errors_name_the_argument_and_what_is_allowed(changes, message):
    arguments = {"task_name": "dtag", "language": "en", "split": "test"} | changes
    with pytest.raises(ValueError) as error:
        sources.load(**arguments)
    assert message in str(error.value)


def test_languages_of_an_unknown_task():
    with pytest.raises(ValueError, match="task is 'xlni'"):
        sources.languages("xlni")
    with pytest.raises(ValueError, match="task is 'xnli', allowed: retrieval tasks; the shape of xnli is pair"):
        sources.candidates("xnli", "de", HUB)


@pytest.mark.parametrize("task", MADE)
def test_rows_of_every_shape_from_a_mirror(task, mirror):
    entry = TASKS[task]
    records = [MADE[task] | ({"id": f"x{i}"} if "id" in MADE[task] else {}) for i in range(7)]
    mirror.write(entry.test.of(entry.languages["zh"]), records)
    rows = sources.load(task, "zh", "test", mirror.source)
    assert rows.features == columns.features(entry) and len(set(rows["id"])) == 7
    assert sources.load(task, "zh", "test", mirror.source, limit=2)["id"][:] == rows["id"][:2]


def test_the_hub_and_the_mirror_give_the_same_rows(mirror, monkeypatch):
    records = [MADE["xnli"] | {"premise": str(i)} for i in range(5)]
    mirror.write(TASKS["xnli"].test.of("de"), records)
    monkeypatch.setattr("stilts_utils.data.hub._load", lambda *names: Dataset.from_list(records))
    from_hub = sources.load("xnli", "de", "test", HUB)
    assert from_hub.to_list() == sources.load("xnli", "de", "test", mirror.source).to_list()


def test_evaluation_rows_are_in_one_order_and_training_rows_are_shuffled_by_the_seed(mirror):
    for language in ("de", "zh"):
        records = [MADE["xnli"] | {"premise": f"{language} {i}"} for i in range(50)]
        mirror.write(TASKS["xnli"].test.of(language), records)
    mirror.write(TASKS["xnli"].train[0][0], records)
    ids = [
        sources.load("xnli", lang, "test", mirror.source, seed=seed)["id"][:]
        for lang in ("de", "zh")
        for seed in (0, 1)
    ]
    assert ids[0] == ids[1] == ids[2] == ids[3] != sorted(ids[0], key=int)
    first, again, other = (sources.load("xnli", "en", "train", mirror.source, seed=seed)["id"][:] for seed in (1, 1, 2))
    assert first == again != other and set(first) == set(other)


@pytest.mark.skipif(not os.environ.get(MIRROR), reason="STILTS_MIRROR names no mirror")
@pytest.mark.parametrize("task", [name for name, entry in TASKS.items() if entry.sets and not entry.folder_only])
def test_every_set_of_the_mirror_of_this_machine_has_rows(task):
    entry = TASKS[task]
    split = sources.evaluation_split(task, OF_MACHINE)
    for language in sources.languages(task, OF_MACHINE):
        rows = sources.load(task, language, split, OF_MACHINE, limit=5)
        assert rows.features == columns.features(entry) and len(rows) == 5
        if entry.shape == "retrieval":
            found = set(sources.candidates(task, language, OF_MACHINE, limit=5)["id"])
            assert all(found & set(row["right"]) for row in rows)


@pytest.mark.skipif(not os.environ.get(MIRROR), reason="STILTS_MIRROR names no mirror")
@pytest.mark.parametrize("task", [name for name, entry in TASKS.items() if entry.train and not entry.folder_only])
def test_no_training_row_of_the_mirror_is_in_the_evaluation(task):
    split = sources.evaluation_split(task, OF_MACHINE)
    evaluation = [sources.load(task, each, split, OF_MACHINE) for each in sources.languages(task, OF_MACHINE)]
    for stage in range(TASKS[task].stages):
        rows = sources.load(task, "en", "train", OF_MACHINE, stage=stage, missing="skip")
        assert leakage.disjoint(rows, *evaluation) is rows
