"""Questions on long contexts: several windows of tokens that overlap, and the place of the answer in each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

LONGEST_QUESTION = 64  # tokens, as in the official SQuAD code

Offset = tuple[int, int] | None  # characters of the context; None outside it
Span = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """The special tokens that a tokenizer puts around and between two sequences, and the types of all tokens.

    `types` are those of the start, the first sequence, the middle, the second and the end.
    """

    start: list[int]
    middle: list[int]
    end: list[int]
    types: tuple[int, int, int, int, int]

    def __len__(self) -> int:
        return len(self.start) + len(self.middle) + len(self.end)


@cache
def frame_of(tokenizer) -> Frame:
    """The frame of a `transformers` fast tokenizer, read from its tokens of a pair."""
    pair = tokenizer("a", "b")
    ids, sides = pair["input_ids"], pair.sequence_ids(0)
    types = pair.get("token_type_ids") or [0] * len(ids)
    first, second = sides.index(0), sides.index(1)
    middle = second - sides[second - 1 :: -1].index(0)
    end = len(sides) - sides[::-1].index(1)
    at = (0, first, middle, second, len(sides) - 1)
    return Frame(ids[:first], ids[middle:second], ids[end:], tuple(types[i] for i in at))


@dataclass(frozen=True)
class Window:
    """Token ids and types of a window; per token its characters in the context; first and last token of the answer."""

    ids: list[int]
    types: list[int]
    offsets: list[Offset]
    gold: Span


def windows(
    frame: Frame,
    question: list[int],
    context: list[int],
    offsets: list[Span],
    gold: Span | None,
    most: int,
    overlap: int,
) -> Iterator[Window]:
    """Windows of at most `most` tokens; neighbours share `overlap` context tokens, at most half of them.

    `gold` are the first and last token of the answer in `context`; in a window that does not hold all of it, as in one
    without an answer, it is (0, 0), the first token.

    Raises ValueError if `most` leaves no room for the context.
    """
    room = most - len(frame) - len(question)
    if room < 1:
        least = len(frame) + len(question) + 1
        raise ValueError(f"max_length is {most}, allowed: {least} or more for this question; set a larger max_length")
    head = [*frame.start, *question, *frame.middle]
    step = room - min(overlap, room // 2)
    for begin in range(0, max(0, len(context) - room) + step, step):
        inside, end = slice(begin, begin + room), min(begin + room, len(context))
        whole = gold is not None and begin <= gold[0] and gold[1] < end
        lengths = (len(frame.start), len(question), len(frame.middle), end - begin, len(frame.end))
        yield Window(
            [*head, *context[inside], *frame.end],
            [kind for kind, length in zip(frame.types, lengths, strict=True) for _ in range(length)],
            [*[None] * len(head), *offsets[inside], *[None] * len(frame.end)],
            (len(head) + gold[0] - begin, len(head) + gold[1] - begin) if whole else (0, 0),
        )


def answer_tokens(answers: dict, offsets: list[Span]) -> Span | None:
    """First and last token of the first answer; None if there is none, or no token of the context touches it."""
    if not answers["text"]:
        return None
    start = answers["answer_start"][0]
    end = start + len(answers["text"][0])
    inside = [i for i, (first, past) in enumerate(offsets) if first < end and past > start]
    return (inside[0], inside[-1]) if inside else None
