import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.data import candidates, mirror, sources
from stilts_utils.study.source import MIRROR, Source
from stilts_utils.tasks import TASKS

pytest_plugins = ["tests.mirror_folder"]

PARAGRAPHS = {
    "en": ["A cat sat. It purred. It slept.", "A dog ran! Why? It was late."],
    "de": ["Eine Katze sass. Sie schnurrte und schlief.", "Ein Hund lief! Wieso? Es war spaet."],
}
ANSWERS = [
    (0, {"en": "purred", "de": "schnurrte"}),
    (0, {"en": "slept", "de": "schlief"}),
    (1, {"en": "late", "de": "spaet"}),
]


@given(st.text(st.sampled_from('ab .!?。！」"\n…'), max_size=40))
def test_sentences_part_a_text_without_losing_any(text):
    spans = candidates.sentence_spans(text)
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i].isspace() for i in set(range(len(text))) - covered)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("He said “Go.” She went.\nA line", ["He said “Go.”", "She went.", "A line"]),
        ("It costs 3.50 in all.", ["It costs 3.50 in all."]),
        ("一句。二句！三句", ["一句。", "二句！", "三句"]),
        ("एक वाक्य। दूसरा वाक्य।", ["एक वाक्य।", "दूसरा वाक्य।"]),
    ],
)
def test_sentences(text, sentences):
    assert [text[start:end] for start, end in candidates.sentence_spans(text)] == sentences


@pytest.fixture
def lareqa(mirror):
    for language, paragraphs in PARAGRAPHS.items():
        records = []
        for i, (number, answer) in enumerate(ANSWERS):
            text = answer[language]
            answers = {"text": [text], "answer_start": [paragraphs[number].index(text)]}
            record = {"id": f"q{i}", "context": paragraphs[number], "question": f"{language} {i}?", "answers": answers}
            records.append(record)
        mirror.write(TASKS["lareqa"].test.of(language), records)
    return mirror.source


def test_right_sentences_are_those_of_all_languages(lareqa):
    right = {
        "q0": ["de/0/1", "en/0/1"],
        "q1": ["de/0/1", "en/0/2"],
        "q2": ["de/1/2", "en/1/2"],
    }
    for language in PARAGRAPHS:
        rows = sources.load("lareqa", language, "test", lareqa)
        assert {row["id"]: row["right"] for row in rows} == right
        assert rows["query"][0].startswith(language)


def test_candidates_are_all_sentences_with_their_paragraph(lareqa):
    found = {row["id"]: row for row in sources.candidates("lareqa", "en", lareqa)}
    assert len(found) == 6
    assert found["en/0/1"]["text"] == "It purred." and found["en/0/1"]["context"] == PARAGRAPHS["en"][0]


def test_a_limit_keeps_the_paragraphs_of_the_first_queries(lareqa):
    rows = sources.load("lareqa", "de", "test", lareqa, limit=1)
    found = sources.candidates("lareqa", "de", lareqa, limit=1)["id"][:]
    assert set(rows[0]["right"]) & set(found)
    assert len({row_id.split("/")[1] for row_id in found}) == 1


def test_sentence_breaks_of_the_set_come_first(mirror):
    text = "A cat sat. It purred."
    answers = {"text": ["purred"], "answer_start": [text.index("purred")]}
    record = {"id": "q", "context": text, "question": "?", "answers": answers, "sentence_breaks": [[0, 5], [6, 21]]}
    mirror.write(TASKS["lareqa"].test.of("en"), [record])
    assert sources.candidates("lareqa", "en", mirror.source)["text"][:] == ["A cat", "sat. It purred."]
    assert sources.load("lareqa", "en", "test", mirror.source)["right"][0] == ["en/0/1"]


def test_translations_stand_in_the_same_row(mirror):
    records = [{"source_sentence": f"Satz {i}", "target_sentence": f"sentence {i}"} for i in range(9)]
    mirror.write(TASKS["tatoeba"].test.of("deu"), records)
    texts = {row["id"]: row["text"] for row in sources.candidates("tatoeba", "de", mirror.source)}
    rows = sources.load("tatoeba", "de", "test", mirror.source)
    assert rows["query"][0].startswith("sentence") and texts[rows["right"][0][0]].startswith("Satz")  # from English
    assert [texts[row["right"][0]].split()[1] for row in rows] == [row["query"].split()[1] for row in rows]
    few = sources.load("tatoeba", "de", "test", mirror.source, limit=4)
    assert few["id"][:] == rows["id"][:4] == sources.candidates("tatoeba", "de", mirror.source, limit=4)["id"][:]


def test_entities_are_named_by_their_id(mirror):
    task = TASKS["mewslix"]
    mirror.write(task.candidates, [{"entity_id": f"Q{i}", "description": f"thing {i}"} for i in range(5)])
    mirror.write(task.test.of("de"), [{"mention": f"Ding {i}", "entity_id": f"Q{i}"} for i in (3, 1)])
    rows = sources.load("mewslix", "de", "test", mirror.source)
    assert {row["query"]: row["right"] for row in rows} == {"Ding 3": ["Q3"], "Ding 1": ["Q1"]}
    assert len(sources.candidates("mewslix", "de", mirror.source)) == 5
    (one,) = sources.candidates("mewslix", "de", mirror.source, limit=1)
    assert one == {"id": rows[0]["right"][0], "text": f"thing {one['id'][1]}", "context": ""}


@pytest.mark.skipif(not os.environ.get(MIRROR), reason="STILTS_MIRROR names no mirror")
@pytest.mark.parametrize("language", ["en", "de", "ru", "zh", "tr", "th"])
def test_the_rule_of_sentences_differs_from_the_set_as_the_entry_says(language):
    entry = TASKS["lareqa"]
    table = mirror.read(entry.test.of(language), Source("mirror"))
    differ = 0
    for text, breaks, answer in zip(table["context"][:], table["sentence_breaks"][:], table["answers"][:], strict=True):
        begins = answer["answer_start"][0]
        right = [
            [span for i, span in enumerate(spans) if i == 0 or span[0] <= begins][-1]
            for spans in (breaks, candidates.sentence_spans(text))
        ]
        differ += len({text[start:end].strip() for start, end in right}) > 1
    said = re.search(rf"([0-9,]+) \({language}\)|([0-9,]+) in {language}\b", entry.differs)
    assert differ == int("".join(filter(None, said.groups())).replace(",", ""))
