import pytest

from stilts_utils.data.embedded.material.splits import ENTITIES, SPLITS, VALUES, split_of
from stilts_utils.data.embedded.material.text import clean, overlap, tokens


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "doesn’t exist, 12kg", ["doesn’t", "exist", ",", "12", "kg"]),
        ("zh", "ab 1", ["a", "b", "1"]),
        ("zh", "2023\u5e7412 ab", ["2023", "\u5e74", "12", "a", "b"]),  # a number is one token
        ("ar", "1\u200f/2", ["1", "/", "2"]),  # a mark of writing direction is in no token
        ("fa", "a\u200cb", ["a\u200cb"]),  # a joiner is
        ("th", "n\u0e34", ["n\u0e34"]),  # a combining mark stays with its character
        ("hi", "n\u093fn", ["n\u093fn"]),
    ],
)
def test_tokens(language, text, expected):
    assert [text[start:end] for start, end in tokens(text, language)] == expected


def test_clean():
    assert clean(" a\u00a0\n b e\u0301 ") == "a b é"


def test_overlap():
    assert overlap("Denmark", "Danish", "en") < overlap("Japan", "Japanese", "en")
    assert overlap("abc", "abc", "en") == 1 and overlap("abc", "xyz", "en") == 0


@pytest.mark.parametrize("shares", [VALUES, ENTITIES])
def test_splits_have_their_shares(shares):
    found = [split_of(f"key {i}", shares) for i in range(20_000)]
    for split, share in zip(SPLITS, shares, strict=True):
        assert abs(100 * found.count(split) / len(found) - share) < 1.5


def test_split_is_stable():
    assert [split_of(f"day:2001-02-0{n}") for n in (1, 2, 3)] == ["train", "test", "test"]


def test_shares_must_sum_to_100():
    with pytest.raises(ValueError, match="sum to 100"):
        [split_of(f"{i}", (10, 10, 10)) for i in range(100)]
