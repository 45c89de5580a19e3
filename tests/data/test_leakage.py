import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.data.leakage import disjoint, key, overlap

PAIR = {"text_a": "It rained.", "text_b": "It was wet!", "label": 0}
CHOICE = {"question": "Why?", "choices": ["It was late.", "It was early."], "label": 1}
TAGGING = {"tokens": ["So", "it", "ends", "..."], "tags": [0, 0, 0, 0]}
SPAN = {"context": "A wet day.", "question": "What day?", "answers": {"text": ["wet"], "answer_start": [2]}}
RETRIEVAL = {"query": "A wet day.", "right": ["7"]}


@pytest.mark.parametrize(
    ("row", "same", "other"),
    [
        (PAIR, {"text_a": "it  RAINED", "label": 2}, {"text_b": "It was dry!"}),
        (CHOICE, {"choices": ["it was early", "it was late"]}, {"choices": ["It was late.", "It was noon."]}),
        (TAGGING, {"tokens": ["so", "IT", "ends", "..."]}, {"tokens": ["So", "it", "ends", "!"]}),
        (SPAN, {"context": "a wet day", "answers": None}, {"question": "What night?"}),
        (RETRIEVAL, {"query": "a WET day!", "right": []}, {"query": "A dry day."}),
    ],
)
def test_what_counts_as_the_same_row(row, same, other):
    assert key(row) == key(row | same) != key(row | other)


def test_shapes_do_not_meet():
    assert len({key(row) for row in (PAIR, CHOICE, TAGGING, SPAN, RETRIEVAL)}) == 5


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1, max_size=8), st.data())
def test_exactly_the_shared_rows_are_found(texts, data):
    rows = [{"text_a": text, "text_b": "b"} for text in texts]
    shared = data.draw(st.sets(st.sampled_from(texts)))
    evaluation = [{"text_a": f"{text}!", "text_b": "B"} for text in shared]
    folded = {key(row) for row in evaluation}
    assert overlap(rows, evaluation) == [i for i, row in enumerate(rows) if key(row) in folded]
    assert {texts[i] for i in overlap(rows, evaluation)} >= shared
    assert overlap(rows) == []


def test_training_rows_are_refused_or_dropped():
    rows = Dataset.from_list([{"id": str(i), "text_a": f"a{i}", "text_b": "b"} for i in range(4)])
    german, english = [{"text_a": "A2", "text_b": "b"}], [{"text_a": "a0", "text_b": "b."}]
    assert disjoint(rows, [PAIR]) is rows
    with pytest.raises(ValueError, match=r"2 of 4 training rows occur in evaluation rows \(ids: 0, 2\)"):
        disjoint(rows, german, english)
    assert disjoint(rows, german, english, drop=True)["id"][:] == ["1", "3"]
    with pytest.raises(ValueError, match="4 of 4"):
        disjoint(rows, rows, drop=True)
