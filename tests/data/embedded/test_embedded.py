"""What holds for every task, language, split and seed."""

import re
import subprocess
import sys
from collections import Counter
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.data import columns, embedded
from stilts_utils.data.embedded.material.locales import LANGUAGES
from stilts_utils.data.embedded.material.splits import SPLITS
from stilts_utils.tasks import TASKS

COUNTS = {
    "temprel": 48,
    "nli_num": 40,
    "paws_easy": 49,
    "mc_facts": 48,
    "mc_continue": 34,
    "dtag": 49,
    "ner_slots": 41,
    "qa_log": 29,
    "qa_facts": 48,
    "qa_parts": 48,
    "retr_bitext": 41,
    "retr_qa": 32,
    "retr_el": 48,
}


def texts(row: dict) -> list[str]:
    found = []
    for column, value in row.items():
        if column == "answers":
            found += value["text"]
        elif column not in ("id", "right", "tags"):
            found += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return found


def check_row(task: str, row: dict) -> None:
    about = TASKS[task]
    assert set(row) == set(columns.features(about))
    for text in texts(row):
        assert text and text == text.strip() and text == normalize("NFC", text)
        assert not re.search(r"duration-|%\(|%[sdr]\b|\{\w*\}|</?\w+>", text)  # identifiers, slots, markup
    if about.shape == "pair":
        assert row["label"] in about.labels and row["text_a"] != row["text_b"]
    elif about.shape == "choice":
        assert len(set(row["choices"])) == len(row["choices"]) == 4 and row["label"] in range(4)
    elif about.shape == "tagging":
        assert len(row["tokens"]) == len(row["tags"]) > 0 and set(row["tags"]) <= set(about.labels)
        for before, tag in zip(["O", *row["tags"]], row["tags"], strict=False):
            assert tag[0] != "I" or before[1:] == tag[1:]
    elif about.shape == "span":
        answers = row["answers"]
        assert len(answers["text"]) == len(answers["answer_start"]) <= 1
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text


@st.composite
def requests(draw):
    task = draw(st.sampled_from(embedded.tasks()))
    language = draw(st.sampled_from(embedded.languages(task)))
    return task, language, draw(st.sampled_from(embedded.splits(task, language))), draw(st.integers(0, 3))


@settings(max_examples=80, deadline=None)
@given(requests())
def test_rows_are_well_formed_and_do_not_repeat(request):
    task, language, split, seed = request
    rows = embedded.rows(task, language, split, seed=seed, limit=25)
    assert len(rows) >= embedded.FEWEST_ROWS
    for row in rows:
        check_row(task, row)
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({repr({**row, "id": None}) for row in rows}) == len(rows)


@pytest.mark.parametrize("task", embedded.tasks())
def test_every_language_has_well_formed_rows(task):
    for language in embedded.languages(task):
        for row in embedded.rows(task, language, "test", limit=None if task in embedded.LISTED else 20):
            check_row(task, row)


@settings(max_examples=30, deadline=None)
@given(requests(), st.integers(1, 24))
def test_a_limit_keeps_the_first_rows(request, limit):
    task, language, split, seed = request
    longer = embedded.rows(task, language, split, seed=seed, limit=25)
    assert embedded.rows(task, language, split, seed=seed, limit=limit) == longer[:limit]


@pytest.mark.parametrize("task", embedded.tasks())
def test_number_of_languages(task):
    found = embedded.languages(task)
    assert set(found) <= set(LANGUAGES) and len(LANGUAGES) == 50
    assert abs(len(found) - COUNTS.get(task, len(found))) <= 2  # a release of Babel or Django may add or lose one
    assert "ht" not in found
    assert ("en" in found) == (task != "retr_bitext")


@pytest.mark.parametrize("task", embedded.DRAWN)
def test_only_training_rows_depend_on_the_seed(task):
    for split in SPLITS:
        first, second = (embedded.rows(task, "en", split, seed=seed, limit=30) for seed in (0, 1))
        assert (first == second) == (split != "train")


def test_rows_depend_on_neither_the_process_nor_the_order_of_calls():
    program = """
import hashlib
from stilts_utils.data import embedded
found = [embedded.rows(t, l, embedded.splits(t, l)[0], limit=20) for t in {tasks} for l in ("de", "ko")]
print(hashlib.sha256(repr(sorted(map(repr, found))).encode()).hexdigest())
"""
    digests = set()
    for hash_seed, tasks in (("1", embedded.tasks()), ("2", embedded.tasks()[::-1])):
        done = subprocess.run(
            [sys.executable, "-c", program.format(tasks=tasks)],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def outcome(task: str, row: dict) -> object:
    return bool(row["answers"]["text"]) if TASKS[task].shape == "span" else row["label"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", [task for task in embedded.DRAWN if TASKS[task].shape != "tagging"])
def test_outcomes_are_balanced_whatever_is_rejected(task, split):
    for language in (language for language in ("en", "de") if split in embedded.splits(task, language)):
        rows = embedded.rows(task, language, split, limit=300)
        counts = Counter(outcome(task, row) for row in rows)
        if TASKS[task].shape == "span":
            assert abs(counts[True] - 2 * counts[False]) <= 2
        else:
            assert max(counts.values()) - min(counts.values()) <= 1


def held_out(task: str, row: dict) -> set[str]:
    """What underlies a row and may not be in two splits, read from its id."""
    key = row["id"].rsplit("#", 1)[0]
    if task == "temprel":
        return {"|".join(sorted(part.lstrip("+-") for part in key.split("|")))}
    if task == "nli_num":
        return {"|".join(sorted(re.findall(r"\d+", key), key=int))}
    if task == "paws_easy":
        return {"|".join(sorted(key.split("|")))}
    if task == "mc_facts":
        return {key.split(":")[1]}
    if task == "mc_continue":
        return {key.rsplit("|", 1)[0]}
    if task in ("dtag", "qa_parts"):
        return {key}
    if task == "qa_facts":
        return set(key.split("|")[1:])
    return set(key.split("|")[1:])  # ner_slots and qa_log: entities


@pytest.mark.parametrize("task", embedded.DRAWN)
def test_no_item_of_a_split_is_in_another_in_any_language(task):
    trained, trained_texts = set(), set()
    for seed in (0, 1):
        for row in embedded.rows(task, "en", "train", seed=seed, limit=600):
            trained |= held_out(task, row)
            trained_texts.add((row.get("text_a"), row.get("text_b")) if "text_a" in row else repr(texts(row)))
    assert trained
    for language in embedded.languages(task):
        in_split = {split: embedded.rows(task, language, split, limit=30) for split in SPLITS[1:]}
        found = {split: set().union(*(held_out(task, row) for row in rows)) for split, rows in in_split.items()}
        assert trained.isdisjoint(found["validation"] | found["test"])
        assert found["validation"].isdisjoint(found["test"])
        for row in in_split["validation"] + in_split["test"]:
            assert ((row["text_a"], row["text_b"]) if "text_a" in row else repr(texts(row))) not in trained_texts


@pytest.mark.parametrize("task", ["temprel", "nli_num", "paws_easy", "dtag", "mc_facts", "qa_parts"])
def test_evaluation_has_every_underlying_item_once(task):
    keys = [row["id"].rsplit("#", 1)[0] for row in embedded.rows(task, "de", "test")]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("task", embedded.DRAWN)
def test_there_is_enough_to_train_on(task):
    assert len(embedded.rows(task, "en", "train", limit=2000)) >= (900 if task == "temprel" else 2000)
