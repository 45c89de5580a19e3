import pandas as pd
import pytest
from datasets import Dataset

from stilts_utils.data import columns
from stilts_utils.data.sources import candidates, languages, load
from stilts_utils.scoring.shortcuts import COLUMNS, shortcut_scores
from stilts_utils.tasks import TASKS
from stilts_utils.tasks.embedded import EMBEDDED

LANGUAGES = ("en", "de", "zh")


def dataset(task: str, rows: list[dict]) -> Dataset:
    features = columns.features(TASKS[task])
    return Dataset.from_dict({column: [row[column] for row in rows] for column in features}, features=features)


def scores(task: str, train: list[dict] | None, test: list[dict]) -> dict[str, float]:
    found = shortcut_scores(task, train and dataset(task, train), {"en": dataset(task, test)})
    return found.set_index("baseline")["score"].to_dict()


def pair(text_a: str, text_b: str, label: int) -> dict:
    return {"id": f"{text_a}{text_b}", "text_a": text_a, "text_b": text_b, "label": label}


def span(context: str, question: str, answer: str | None) -> dict:
    texts = [answer] if answer else []
    answers = {"text": texts, "answer_start": [context.index(text) for text in texts]}
    return {"id": context + question, "context": context, "question": question, "answers": answers}


def test_pairs():
    train = [pair("aaa", "aaa", 1), pair("aaa", "bbb", 0)] * 20 + [pair("aaa", "ccc", 0)]
    found = scores("paws_easy", train, [pair("ddd", "ddd", 1), pair("aaa", "bbb", 0)])
    assert list(found) == ["majority", "character n-grams", "overlap"]
    assert found["majority"] == 50 and found["overlap"] == 100
    assert found["character n-grams"] == 50  # what it has not seen is not 'same' to it


def test_choices():
    def choice(question: str, choices: list[str], label: int) -> dict:
        return {"id": question, "question": question, "choices": choices, "label": label}

    train = [choice("q", ["good one", "bad", "worse"], 0), choice("q", ["bad", "good two", "worse"], 1)] * 10
    train.append(choice("q", ["good", "bad", "worse"], 0))
    test = [choice("x", ["bad", "worse", "good"], 2), choice("Norway", ["Danish krone", "Norwegian krone", "euro"], 1)]
    found = scores("mc_facts", train, test)
    assert found["majority"] == 0 and found["overlap"] in (50, 100)
    assert found["character n-grams"] >= 50


def test_tags():
    names = TASKS["dtag"].labels

    def tagged(tokens: str, tags: str) -> dict:
        return {"id": tokens, "tokens": tokens.split(), "tags": [names.index(tag) for tag in tags.split()]}

    train = [tagged("5 May .", "B-DAY B-MONTH O"), tagged("of . .", "O O O")]
    found = scores("dtag", train, [tagged("May 6", "B-MONTH B-DAY")])
    assert list(found) == ["majority", "token"]
    assert found["majority"] == 0
    assert found["token"] == pytest.approx(100 * 2 / 3)  # one of two entities, nothing else


def test_spans():
    context = "The user “Oslo” was added. The group “Nice” was added. The user “Rome” was changed."
    train = [span(context, "added group", "Nice")]
    test = [span(context, "The group was added", "Nice"), span(context, "deleted site", None)]
    found = scores("qa_log", train, test)
    assert list(found) == ["majority", "overlap"]
    assert found["majority"] == 50  # always no answer
    assert found["overlap"] == 50


def test_words_that_are_new_have_the_commonest_tag_where_there_is_no_o():
    names = TASKS["udpos"].labels
    train = [{"id": "0", "tokens": ["a", "b", "c"], "tags": [names.index(tag) for tag in ("DET", "NOUN", "NOUN")]}]
    test = [{"id": "1", "tokens": ["a", "x"], "tags": [names.index(tag) for tag in ("DET", "NOUN")]}]
    assert scores("udpos", train, test)["token"] == 100


@pytest.mark.parametrize(("name", "chance"), [("retr_bitext", 25), ("retr_el", 100 * (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)])
def test_retrieval(name, chance):
    pairs = {"Kolumbia": "Colombia", "Norwegen": "Norway", "Iraki": "Iraq", "Japani": "Japan"}
    entry = TASKS[name]
    rows = Dataset.from_list(
        [{"id": query, "query": query, "right": [text]} for query, text in pairs.items()],
        features=columns.features(entry),
    )
    pool = Dataset.from_list([{"id": text, "text": text, "context": ""} for text in pairs.values()])
    found = shortcut_scores(name, None, {"en": rows}, {"en": pool}).set_index("baseline")["score"]
    assert list(found.index) == ["chance", "character n-grams"]
    assert found.tolist() == pytest.approx([chance, 100])


def test_train_is_needed_where_there_is_something_to_fit():
    with pytest.raises(ValueError, match="train is None, allowed for temprel: its English training rows"):
        shortcut_scores("temprel", None, {})
    with pytest.raises(ValueError, match="candidates is None, allowed for retr_el: a mapping by language"):
        shortcut_scores("retr_el", None, {})


# Upper bounds, on English, of what the shortcuts may reach; each had once given a task away.
CEILINGS = {
    ("temprel", "character n-grams"): 65,
    ("nli_num", "character n-grams"): 65,
    ("nli_num", "overlap"): 65,
    ("paws_easy", "character n-grams"): 65,
    ("paws_easy", "overlap"): 80,
    ("mc_facts", "character n-grams"): 45,
    ("mc_facts", "overlap"): 45,
    ("ner_slots", "token"): 40,
    ("qa_log", "overlap"): 70,
    ("qa_facts", "overlap"): 45,
    ("qa_parts", "overlap"): 65,
}


@pytest.mark.parametrize("task", [entry.name for entry in EMBEDDED])
def test_on_the_embedded_suite(task):
    train = load(task, "en", "train", limit=1000) if TASKS[task].trainable else None
    spoken = [language for language in LANGUAGES if language in languages(task)]
    pools = None if train else {language: candidates(task, language, limit=150) for language in spoken}
    tests = {language: load(task, language, "test", limit=150) for language in spoken}
    found = shortcut_scores(task, train, tests, pools)
    assert isinstance(found, pd.DataFrame) and tuple(found.columns) == COLUMNS
    assert set(found["language"]) == set(spoken) and found["score"].between(0, 100).all()
    assert set(found["metric"]) == {TASKS[task].metric} and (found["items"] > 0).all()
    assert found["baseline"].iloc[0] in ("majority", "chance")
    for row in found.itertuples():
        if row.language == "en":
            assert row.score <= CEILINGS.get((task, row.baseline), 100), row.baseline


def test_scores_are_the_same_every_time():
    train, tests = load("nli_num", "en", "train", limit=200), {"de": load("nli_num", "de", "test", limit=50)}
    pd.testing.assert_frame_equal(*(shortcut_scores("nli_num", train, tests) for _ in range(2)))
