import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stilts_utils.models.windows import Frame, answer_tokens, frame_of, windows

FRAME = Frame([101], [102, 103], [104], (0, 0, 0, 1, 1))


def windows_of(tokens, most, overlap, question=(7, 8), gold=None, frame=FRAME):
    offsets = [(2 * i, 2 * i + 2) for i in range(tokens)]
    return list(windows(frame, list(question), list(range(1000, 1000 + tokens)), offsets, gold, most, overlap))


@st.composite
def contexts(draw):
    tokens, most = draw(st.integers(1, 80)), draw(st.integers(7, 60))
    first = draw(st.integers(0, tokens - 1))
    gold = draw(st.none() | st.just((first, draw(st.integers(first, min(tokens - 1, first + 5))))))
    return tokens, most, draw(st.integers(0, 40)), gold


@given(contexts())
def test_windows_cover_the_context_and_keep_to_the_limit(found):
    tokens, most, overlap, gold = found
    parts = windows_of(tokens, most, overlap, gold=gold)
    room = most - 6
    held = [[token - 1000 for token in part.ids if token >= 1000] for part in parts]
    assert sorted(set(itertools.chain(*held))) == list(range(tokens))
    assert all(part == list(range(part[0], part[0] + len(part))) for part in held)
    assert all(len(part.ids) == len(part.types) == len(part.offsets) <= most for part in parts)
    assert all(len(part.ids) == most for part in parts[:-1])
    for one, following in itertools.pairwise(held):
        assert len(set(one) & set(following)) == min(overlap, room // 2)
    assert len(held) == 1 or not set(held[-1]) <= set(held[-2])  # no window is one too many


@given(contexts())
def test_gold_is_where_a_window_holds_the_whole_answer(found):
    tokens, most, overlap, gold = found
    for part in windows_of(tokens, most, overlap, gold=gold):
        held = [token - 1000 for token in part.ids if token >= 1000]
        if gold and set(range(gold[0], gold[1] + 1)) <= set(held):
            assert [part.ids[at] - 1000 for at in part.gold] == list(gold)
            assert [part.offsets[at] for at in part.gold] == [(2 * at, 2 * at + 2) for at in gold]
        else:
            assert part.gold == (0, 0)


@given(contexts())
def test_an_answer_no_longer_than_the_overlap_is_whole_in_a_window(found):
    tokens, most, overlap, gold = found
    parts = windows_of(tokens, most, overlap, gold=gold)
    if gold and gold[1] - gold[0] < min(overlap, (most - 6) // 2):
        assert any(part.gold != (0, 0) for part in parts)


def test_windows_by_hand():
    parts = windows_of(5, most=9, overlap=1, gold=(2, 3))
    assert [part.ids for part in parts] == [
        [101, 7, 8, 102, 103, 1000, 1001, 1002, 104],
        [101, 7, 8, 102, 103, 1002, 1003, 1004, 104],
    ]
    assert [part.types for part in parts] == [[0, 0, 0, 0, 0, 1, 1, 1, 1]] * 2
    assert [part.offsets[5:] for part in parts] == [[(0, 2), (2, 4), (4, 6), None], [(4, 6), (6, 8), (8, 10), None]]
    assert all(part.offsets[:5] == [None] * 5 for part in parts)
    assert [part.gold for part in parts] == [(0, 0), (5, 6)]


def test_an_empty_context_has_one_window():
    (part,) = windows_of(0, most=9, overlap=3)
    assert part.ids == [101, 7, 8, 102, 103, 104] and set(part.offsets) == {None}


def test_a_limit_that_leaves_no_room():
    assert len(windows_of(2, most=7, overlap=3)) == 2
    with pytest.raises(ValueError, match="max_length is 6, allowed: 7 or more for this question"):
        windows_of(2, most=6, overlap=3)


@pytest.mark.parametrize(
    ("text", "start", "tokens"),
    [
        ("cd", 3, (1, 1)),
        ("cd ef", 3, (1, 2)),
        ("ab c", 0, (0, 1)),  # its end is within a token
        ("d e", 4, (1, 2)),
        (" ", 20, None),
    ],
)
def test_answers_in_tokens_that_hold_their_leading_space(text, start, tokens):
    offsets = [(0, 2), (2, 5), (5, 8)]  # "ab", " cd", " ef"
    assert answer_tokens({"text": [text, "x"], "answer_start": [start, 0]}, offsets) == tokens
    assert answer_tokens({"text": [], "answer_start": []}, offsets) is None


def test_the_frame_of_a_tokenizer(tokenizer):
    assert frame_of(tokenizer) == Frame([0], [2, 2], [2], (0, 0, 0, 0, 0))
    assert len(frame_of(tokenizer)) == tokenizer.num_special_tokens_to_add(pair=True)
