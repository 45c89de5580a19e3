import dataclasses

import pytest
from datasets import ClassLabel, Dataset, List, Translation, Value
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.data import columns, embedded, row_checks, sources
from stilts_utils.data.row_checks import Origin
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.mirror_folder"]

ORIGIN = Origin("a set")
GOOD = {
    "xnli": {"premise": "p", "hypothesis": "h", "label": 1},
    "xcopa": {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 1},
    "udpos": {"tokens": ["a", "b"], "pos_tags": [0, 16]},
    "xquad": {"id": "x", "context": "a b", "question": "q", "answers": {"text": ["b"], "answer_start": [2]}},
    "commonsenseqa": {
        "id": "c",
        "question": "q",
        "choices": {"label": ["A", "B"], "text": ["a", "b"]},
        "answerKey": "B",
    },
    "tatoeba": {"source_sentence": "ein Satz", "target_sentence": "a sentence"},
}
ANSWERS = {"text": ["b"], "answer_start": [2]}


def _load(mirror, task, record):
    """The row after a good one, as the task reads them from a mirror."""
    entry = TASKS[task]
    split = "test" if entry.test else "validation"
    language = next(each for each in ("de", "et", "en") if each in entry.languages)
    rows = (entry.test or entry.validation).of(entry.languages[language])
    mirror.write(rows, [GOOD[task] | ({"id": "first"} if "id" in GOOD[task] else {}), record])
    return sources.load(task, language, split, mirror.source)


@pytest.mark.parametrize("task", GOOD)
def test_good_rows_pass(task, mirror):
    assert len(_load(mirror, task, GOOD[task])) == 2


@pytest.mark.parametrize(
    ("task", "changes", "said"),
    [
        ("udpos", {"pos_tags": [0, -1]}, "row 1: tags (from 'pos_tags') is -1, allowed: 0 to 16 (ADJ, "),
        ("udpos", {"pos_tags": [0, -100]}, "tags (from 'pos_tags') is -100, allowed: 0 to 16"),
        ("udpos", {"pos_tags": [0, 17]}, "tags (from 'pos_tags') is 17, allowed: 0 to 16"),
        ("udpos", {"pos_tags": [0]}, "tags (from 'pos_tags') is [0], allowed: a list of 2 tags, one for every token"),
        ("udpos", {"pos_tags": None}, "tags (from 'pos_tags') is None, allowed: a list of 2 tags"),
        ("udpos", {"tokens": [], "pos_tags": []}, "tokens is [], allowed: a list of texts, 1 or more"),
        ("udpos", {"tokens": ["a", None]}, "tokens is ['a', None], allowed: a list of texts"),
        ("xnli", {"premise": None}, "text_a (from 'premise') is None, allowed: a text; name a column with texts"),
        ("xnli", {"label": 3}, "label is 3, allowed: 0 to 2 (entailment, neutral, contradiction); correct the row"),
        ("xnli", {"label": -1}, "label is -1, allowed: 0 to 2"),
        ("xnli", {"label": None}, "if `flaws` of the set name them ('unlabelled')"),
        ("xcopa", {"label": 2}, "label is 2, allowed: 0, 1"),
        ("xcopa", {"choice2": None}, "choices (from ('choice1', 'choice2')) is ['a', None], allowed: a list of texts, 2"),
        ("xcopa", {"premise": None}, "question (from '{premise} What was the {question}?') is None, allowed: a text"),
        ("commonsenseqa", {"answerKey": "C"}, "label (from 'answerKey') is 'C', allowed: one of its 2 choices"),
        ("commonsenseqa", {"answerKey": "F"}, "label (from 'answerKey') is 'F', allowed: A, B, C, D, E"),
        ("commonsenseqa", {"choices": None}, "choices (from 'choices.text') is None, allowed: a list of texts, 2 or more"),
        ("xquad", {"answers": {"text": ["b"], "answer_start": [1]}}, "answers is \"'b' at 1\", allowed: a text found there"),
        ("xquad", {"answers": {"text": ["b"], "answer_start": [-1]}}, "answers is \"'b' at -1\", allowed: a text found"),
        ("xquad", {"answers": {"text": [""], "answer_start": [0]}}, "allowed: a text found there, where 'a b' stands"),
        ("xquad", {"answers": {"text": ["b"], "answer_start": []}}, "with as many places as texts"),
        ("xquad", {"answers": {"text": [], "answer_start": []}}, "allowed: one or more: every question of this task has"),
        ("xquad", {"answers": None}, "answers is None, allowed: {'text': [...], 'answer_start': [...]}"),
        ("xquad", {"context": None}, "context is None, allowed: a text"),
        ("xquad", {"id": "first"}, "row 1: id is 'first', allowed: an id of its own: another row has this one"),
        ("tatoeba", {"target_sentence": None}, "query (from 'target_sentence') is None, allowed: a text"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(task, changes, said, mirror):
    with pytest.raises(ValueError) as error:
        _load(mirror, task, GOOD[task] | changes)
    assert said in str(error.value) and "row 1: " in str(error.value)
    assert str(error.value).startswith(str((TASKS[task].test or TASKS[task].validation).hub))


@pytest.mark.parametrize(
    ("task", "record", "features", "said"),
    [
        (
            "xnli",
            {"premise": {"ru": "a"}, "hypothesis": "h", "label": 0},
            {"premise": Translation(["ru"]), "hypothesis": Value("string"), "label": Value("int64")},
            "text_a (from 'premise') is {'ru': 'a'}, allowed: a text",
        ),
        (
            "xquad",
            {"id": "x", "context": "a b", "question": "q", "answers": [{"text": "b", "answer_start": 2}]},
            {
                "id": Value("string"),
                "context": Value("string"),
                "question": Value("string"),
                "answers": List({"text": Value("string"), "answer_start": Value("int64")}),
            },
            "write answers as two lists",
        ),
        ("xnli", {"premise": 7, "hypothesis": "h", "label": 0}, None, "text_a (from 'premise') is 7, allowed: a text"),
        ("xnli", {"premise": "p", "hypothesis": "h", "label": [0]}, None, "label is [0], allowed: 0 to 2"),
        ("xnli", {"premise": "p", "hypothesis": "h", "label": 0.5}, None, "label is 0.5, allowed: 0 to 2"),
        ("xnli", {"premise": "p", "hypothesis": "h", "label": "1"}, None, "label is '1', allowed: 0 to 2"),
    ],
)
def test_what_is_of_another_type_is_refused(task, record, features, said, mirror):
    language = "de" if task == "xquad" else "ru"
    mirror.write(TASKS[task].test.of(language), [record], features)
    with pytest.raises(ValueError) as error:
        sources.load(task, language, "test", mirror.source)
    assert said in str(error.value) and "row 0: " in str(error.value)


def test_names_and_whole_numbers_are_labels(mirror):
    features = {"premise": Value("string"), "hypothesis": Value("string"), "label": Value("float64")}
    for label, types in ((2.0, features), ("contradiction", None)):
        mirror.write(TASKS["xnli"].test.of("de"), [GOOD["xnli"] | {"label": label}], types)
        assert sources.load("xnli", "de", "test", mirror.source)["label"][:] == [2]
    assert isinstance(columns.features(TASKS["xnli"])["label"], ClassLabel)


def test_the_row_that_an_error_names_is_that_of_the_file(mirror):
    records = [GOOD["xnli"] | {"premise": f"p{i}"} for i in range(40)]
    records[29]["hypothesis"] = None
    mirror.write(TASKS["xnli"].test.of("de"), records)
    with pytest.raises(ValueError, match="facebook/xnli de test, row 29: text_b"):
        sources.load("xnli", "de", "test", mirror.source)


def test_ids_that_key_translations_are_unique(mirror):
    answers = {"text": ["b"], "answer_start": [2]}
    records = [{"id": "q", "context": "a b", "question": f"q{i}", "answers": answers} for i in range(2)]
    mirror.write(TASKS["lareqa"].test.of("en"), records)
    with pytest.raises(ValueError, match="xquad_r en validation, row 1: id is 'q', allowed: an id of its own"):
        sources.load("lareqa", "en", "test", mirror.source)


@pytest.mark.parametrize("breaks", [[], [[0, 9]], [[2, 2]], [[-1, 2]]])
def test_sentences_lie_in_their_paragraph(mirror, breaks):
    record = {"id": "q", "context": "a b", "question": "q", "answers": ANSWERS, "sentence_breaks": breaks}
    features = {
        "id": Value("string"),
        "context": Value("string"),
        "question": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int64"))},
        "sentence_breaks": List(List(Value("int64"))),
    }
    mirror.write(TASKS["lareqa"].test.of("en"), [record], features)
    with pytest.raises(ValueError, match=r"row 0: sentence_breaks is .* allowed: \[start, end\] of every sentence"):
        sources.load("lareqa", "en", "test", mirror.source)


@pytest.mark.parametrize(
    ("pool", "right", "said"),
    [
        (["Q1", "Q1"], "Q1", "candidate_entities test, row 1: id (from 'entity_id') is 'Q1', allowed: an id of its own"),
        (["Q1", "Q2"], "Q3", "de test, row 0: right (from 'entity_id') is 'Q3', allowed: the id of one of the candidates"),
        (["Q1", None], "Q1", "candidate_entities test, row 1: id (from 'entity_id') is None, allowed: a text"),
    ],
)  # fmt: skip
def test_right_candidates_are_found_by_an_id_of_their_own(mirror, pool, right, said):
    entry = TASKS["mewslix"]
    mirror.write(entry.candidates, [{"entity_id": id, "description": f"thing {i}"} for i, id in enumerate(pool)])
    mirror.write(entry.test.of("de"), [{"mention": "Ding", "entity_id": right}])
    with pytest.raises(ValueError) as error:
        sources.candidates("mewslix", "de", mirror.source)
    assert said in str(error.value)


def test_generated_rows_are_checked_too(monkeypatch):
    row = {"id": "a", "text_a": "p", "text_b": None, "label": "same"}
    monkeypatch.setattr(embedded, "supports", lambda *_: True)
    monkeypatch.setattr(embedded, "rows", lambda *_, **__: [row])
    with pytest.raises(ValueError, match="generated rows of temprel, en, train, row 0: text_b is None"):
        sources.load("temprel", "en", "train")
    monkeypatch.setattr(embedded, "candidates", lambda *_: [{"id": "a", "text": 1, "context": ""}])
    with pytest.raises(ValueError, match="generated rows of retr_el, de, candidates, row 0: text is 1"):
        sources.candidates("retr_el", "de")


def test_translations_of_a_row_have_its_label():
    rows = {"en": {"id": ["0", "1"], "label": [0, 1]}, "de": {"id": ["1", "0"], "label": [1, 0]}}
    row_checks.aligned(TASKS["xnli"], rows)
    rows["fr"] = {"id": ["1", "2"], "label": [2, 0]}
    with pytest.raises(ValueError, match="xnli in fr, id '1': label is 2, allowed: 1, as in en, since the sets are"):
        row_checks.aligned(TASKS["xnli"], rows)
    row_checks.aligned(dataclasses.replace(TASKS["xnli"], parallel=False), rows)


@given(st.lists(st.lists(st.integers(-3, 20), max_size=4), min_size=1, max_size=5))
def test_tags_are_those_of_the_task_or_refused(tags):
    given = {
        "id": [str(i) for i in range(len(tags))],
        "tokens": [["w"] * max(1, len(row)) for row in tags],
        "tags": tags,
    }
    sound = all(row and all(0 <= tag <= 16 for tag in row) for row in tags)
    try:
        found = row_checks.checked(TASKS["udpos"], given, ORIGIN)
    except ValueError as error:
        assert not sound and "a set, row " in str(error)
    else:
        assert sound and found["tags"] == tags


@given(st.text(min_size=1), st.text(), st.integers(-5, 12))
def test_an_answer_stands_where_it_is_said_to_be(context, text, start):
    found = start >= 0 and bool(text.strip()) and context[start : start + len(text)] == text
    assert row_checks.misplaced(context, text, start) is not found


def test_a_long_value_is_cut_in_an_error():
    with pytest.raises(ValueError, match=r"text_a is \['x+\.\.\., allowed: a text") as error:
        row_checks.texts("text_a", [["x" * 900]], ORIGIN)
    assert len(str(error.value)) < 250


def test_what_a_source_leaves_out_is_counted(mirror):
    train = TASKS["mnli"].train[0][0]
    mirror.write(train, [GOOD["xnli"] | {"label": -1 if i < 10 else 0, "premise": f"p{i}"} for i in range(25)])
    assert len(sources.load("mnli", "en", "train", mirror.source)) == 15
    assert sources.left_out("mnli", mirror.source, "train", "en") == [
        {"set": "nyu-mll/multi_nli default train", "reason": "no label", "rows": 10, "of": 25}
    ]
    assert sources.left_out("temprel", sources.EMBEDDED, "train", "en") == []
    assert isinstance(sources.load("mnli", "en", "train", mirror.source), Dataset)
