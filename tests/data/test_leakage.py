import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.data.leakage import LONG, disjoint, keys, overlap

PAIR = {"text_a": "It rained.", "text_b": "It was wet!", "label": 0}
CHOICE = {"question": "Why?", "choices": ["It was late.", "It was early."], "label": 1}
TAGGING = {"tokens": ["So", "it", "ends", "..."], "tags": [0, 0, 0, 0]}
SPAN = {"context": "A wet day.", "question": "What day?", "answers": {"text": ["wet"], "answer_start": [2]}}
RETRIEVAL = {"query": "A wet day.", "right": ["7"]}


@pytest.mark.parametrize(
    ("row", "same", "other"),
    [
        (PAIR, {"text_a": "it  RAINED", "label": 2}, {"text_b": "It was dry!"}),
        (PAIR, {"text_a": PAIR["text_b"], "text_b": PAIR["text_a"]}, {"text_b": PAIR["text_a"]}),
        (CHOICE, {"choices": ["it was early", "it was late"]}, {"choices": ["It was late.", "It was noon."]}),
        (TAGGING, {"tokens": ["so", "IT", "ends", "..."]}, {"tokens": ["So", "it", "ends", "!"]}),
        (SPAN, {"context": "a wet day", "question": "What night?"}, {"context": "A dry day."}),
        (RETRIEVAL, {"query": "a WET day!", "right": []}, {"query": "A dry day."}),
    ],
)
def test_what_counts_as_the_same_row(row, same, other):
    assert keys(row) == keys(row | same) and keys(row).isdisjoint(keys(row | other))


def test_shapes_do_not_meet():
    assert len({key for row in (PAIR, CHOICE, TAGGING, SPAN, RETRIEVAL) for key in keys(row)}) == 5


SENTENCES = (
    "The committee of the village met in the old hall on the first Monday of every month.",
    "It decided about the mill, the two bridges and the right to cut wood in the forest.",
    "Nobody wrote down what was said there before the great fire of the year 1721.",
)
SHORT = "So it was."


@pytest.mark.parametrize(
    ("context", "caught"),
    [
        (" ".join(SENTENCES), True),
        (" ".join(SENTENCES).upper().replace(".", " !"), True),
        (" ".join([*SENTENCES, "This sentence was added and stands in no other paragraph of the set."]), True),
        (" ".join(["This sentence was put before the others by somebody else.", *SENTENCES]), True),
        (" ".join(SENTENCES[1:]), True),
        (f"{SENTENCES[2]} Another sentence that is long enough to count follows it here.", True),
        (f"{SHORT} Another sentence that is long enough to count follows it here.", False),  # chance
        ("Der Ausschuss des Dorfes trat an jedem ersten Montag im alten Saal zusammen.", False),  # a translation
        (" ".join(sentence.replace("the", "a") for sentence in SENTENCES), False),  # another wording
    ],
)
def test_paragraphs_that_share_a_long_sentence(context, caught):
    known = {"context": " ".join([*SENTENCES, SHORT]), "question": "who?", "answers": None}
    assert overlap([{"context": context, "question": "when?", "answers": None}], [known]) == [0] * caught
    assert len(SHORT) < LONG < min(map(len, SENTENCES))


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1, max_size=8), st.data())
def test_exactly_the_shared_rows_are_found(texts, data):
    rows = [{"text_a": text, "text_b": "b"} for text in texts]
    shared = data.draw(st.sets(st.sampled_from(texts)))
    evaluation = [{"text_a": f"{text}!", "text_b": "B"} for text in shared]
    folded = {key for row in evaluation for key in keys(row)}
    assert overlap(rows, evaluation) == [i for i, row in enumerate(rows) if keys(row) & folded]
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
