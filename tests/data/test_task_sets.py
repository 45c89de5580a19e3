import pytest

from stilts_utils.data import sources
from stilts_utils.study.source import Source
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.mirror_folder"]

HUB = Source("hub")
LABELLED = {"premise": "p", "hypothesis": "h", "label": 0}


def _tagged(mirror, name, language, split):
    task = TASKS[name]
    rows = (task.test if split == "test" else task.validation).of(task.languages[language])
    mirror.write(rows, [{"tokens": ["a"], rows.columns["tags"]: [0]}])


def test_the_official_split_is_evaluated_unless_another_has_more_languages(mirror):
    said = ("panx", mirror.source)
    _tagged(mirror, "panx", "sw", "test")
    _tagged(mirror, "panx", "sw", "validation")
    assert sources.evaluation_split(*said) == "test"
    _tagged(mirror, "panx", "de", "validation")
    assert sources.evaluation_split(*said) == "validation"
    assert sources.languages(*said) == ("de", "sw")
    assert sources.languages(*said, split="test") == ("sw",)


def test_the_evaluation_split_of_other_sources():
    assert sources.evaluation_split("dtag") == "test"
    assert sources.evaluation_split("xnli", HUB) == "test"
    assert sources.evaluation_split("mnli", HUB) == "validation"


def test_languages_that_a_hub_set_lacks():
    assert {"de", "ro"} & set(sources.languages("udpos", HUB)) == {"de"}
    assert sources.lacking("udpos", ["de", "ro", "sw"], HUB) == {
        "ro": "source 'hub' lacks google/xtreme udpos.Romanian test",
        "sw": "udpos does not have the language",
    }
    assert sources.lacking("qa_log", ["en", "ht"]) == {"ht": "no rows in source 'embedded'"}


def test_every_set_is_listed_with_its_rows(mirror):
    task = TASKS["xcopa"]
    copa = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 0}
    mirror.write(task.test.of("et"), [copa] * 3)
    mirror.write(task.english_test, [copa] * 2)
    found = sources.available("xcopa", mirror.source)
    uses = [(row["use"], row["stage"], row["language"], row["hub"], row["rows"]) for row in found]
    assert uses[:3] == [
        ("train", 0, "en", "allenai/social_i_qa", 0),
        ("train", 1, "en", "super_glue", 0),
        ("validation", None, "en", "super_glue", 0),
    ]
    assert ("test", None, "et", "cambridgeltl/xcopa", 3) in uses and ("test", None, "en", "super_glue", 2) in uses
    assert sources.languages("xcopa", mirror.source) == ("en", "et")
    assert {row["rows"] for row in sources.available("xcopa", HUB)} == {None, 0}


def test_sets_of_a_stage_are_joined_and_a_missing_one_is_an_error_or_skipped(mirror):
    train = TASKS["anli_plus"].train[0]
    for i, rows in enumerate(train[:1] + train[3:]):
        mirror.write(rows, [LABELLED | {"premise": f"{i} {j}", "uid": f"u{j}"} for j in range(4)])
    lacking = ("facebook/anli plain_text train_r2", "facebook/anli plain_text train_r3")
    assert sources.lacking_sets("anli_plus", mirror.source) == lacking
    with pytest.raises(ValueError, match="training sets of anli_plus are missing from source 'mirror': facebook/anli"):
        sources.load("anli_plus", "en", "train", mirror.source)
    rows = sources.load("anli_plus", "en", "train", mirror.source, missing="skip")
    assert len(rows) == len(set(rows["id"])) == 12
    places = {"facebook/anli plain_text train_r1": "0", "nyu-mll/multi_nli default train": "1"}
    for row in rows:
        name, number = row["id"].split(":")
        assert row["text_a"] == f"{places.get(name, '2')} {number.lstrip('u')}"
    some = sources.load("anli_plus", "en", "train", mirror.source, missing="skip", limit=5)
    assert some["id"][:] == rows["id"][:5]


def test_a_stage_without_any_set_is_an_error(mirror):
    with pytest.raises(ValueError, match="nyu-mll/multi_nli default train; take another source or task"):
        sources.load("mnli", "en", "train", mirror.source, missing="skip")


def test_stages_are_loaded_one_by_one(mirror):
    (siqa,), (copa,) = TASKS["xcopa"].train
    mirror.write(
        siqa, [{"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"}]
    )
    mirror.write(copa, [{"premise": "p", "choice1": "a", "choice2": "b", "question": "effect", "label": 1}])
    first, second = (sources.load("xcopa", "en", "train", mirror.source, stage=stage)[0] for stage in (0, 1))
    assert first == {"id": "0", "question": "c q", "choices": ["a", "b", "c"], "label": 2}
    assert second == {"id": "0", "question": "p What was the effect?", "choices": ["a", "b"], "label": 1}
    with pytest.raises(ValueError, match="stage is 2, allowed for xcopa: 0 to 1"):
        sources.load("xcopa", "en", "train", mirror.source, stage=2)


def test_a_licensed_set_is_read_from_a_folder_and_brings_its_tags(mirror):
    task = TASKS["ccg"]
    with pytest.raises(ValueError, match=r"one with ccgbank/default/train.parquet, .*columns: tokens, tags"):
        sources.task("ccg", HUB)
    mirror.write(task.train[0][0], [{"tokens": ["a", "b"], "tags": ["N", "NP"]}])
    mirror.write(task.validation, [{"tokens": ["c"], "tags": ["S"]}])
    for source in (Source("hub", mirror.root), mirror.source):
        assert sources.task("ccg", source).labels == ("N", "NP", "S")
        assert sources.load("ccg", "en", "train", source)["tags"][0] == [0, 1]
        assert sources.load("ccg", "en", "validation", source)["tags"][0] == [2]
    assert sources.task("xnli", HUB) is TASKS["xnli"]
