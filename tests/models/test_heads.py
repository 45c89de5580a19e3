import dataclasses
import math

import pytest
import torch

from stilts_utils.models import heads
from stilts_utils.models.batches import Encoded, collate, encode
from stilts_utils.models.heads import LONGEST_ANSWER, TaskModel, decide, loss, mean_pool

TRAINED = ("pair", "choice", "tagging", "span")


def test_mean_pool_by_hand():
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[1.0, 1.0], [2.0, 2.0], [6.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert mean_pool(states, mask).tolist() == [[2.0, 4.0], [3.0, 1.0]]
    assert mean_pool(states.bfloat16(), mask).dtype == torch.float32


@pytest.mark.parametrize("shape", TRAINED)
def test_logits_have_the_shape_of_the_task_and_ignore_padding(shape, tiny_encoder, tiny_rows, task_of):
    rows = tiny_rows(shape, 5)
    encoded = encode(task_of[shape], rows, tiny_encoder.tokenizer, 64)
    model = TaskModel(tiny_encoder.model, task_of[shape], seed=1).eval()
    with torch.inference_mode():
        together = model(collate(encoded, list(range(5)), 1), 5)
        alone = [model(collate(encoded, [i], 1), 1)[0] for i in range(5)]
    length = max(len(sequence) for row in encoded.sequences for sequence in row)
    classes = len(task_of[shape].labels)
    shapes = {"pair": (5, 3), "choice": (5, 4), "tagging": (5, length, classes), "span": (5, length, 2)}
    assert together.shape == shapes[shape]
    for logits, own in zip(together, alone, strict=True):
        torch.testing.assert_close(logits[: len(own)] if shape in ("tagging", "span") else logits, own)


@pytest.mark.parametrize("kinds", [1, 2])
def test_token_types_reach_encoders_that_have_several(kinds, tiny_encoder, task_of):
    model = TaskModel(tiny_encoder.model, task_of["pair"], seed=1).eval()
    tiny_encoder.model.config.type_vocab_size = kinds
    encoded = Encoded([[[0, 9, 2, 11, 2]]], types=[[[0, 0, 0, 1, 1]]])
    batch = collate(encoded, [0], 1)
    with torch.inference_mode():
        typed, plain = model(batch, 1), model({k: v for k, v in batch.items() if k != "token_type_ids"}, 1)
    assert torch.equal(typed, plain) == (kinds == 1)


def test_the_head_depends_on_the_seed_alone(tiny_encoder, task_of):
    def weights(seed):
        return TaskModel(tiny_encoder.model, task_of["pair"], seed).head.weight

    torch.manual_seed(5)
    one = weights(1)
    torch.manual_seed(6)
    assert torch.equal(one, weights(1))
    assert not torch.equal(one, weights(2))
    assert TaskModel(tiny_encoder.model, task_of["pair"], 1).head.bias.tolist() == [0, 0, 0]


def negative_log(logits, right):
    return math.log(sum(math.exp(x) for x in logits)) - logits[right]


@pytest.mark.parametrize("shape", ["pair", "choice"])
def test_loss_of_classes_by_hand(shape, task_of):
    logits = [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]
    encoded = Encoded([[[0]]] * 3, gold=[9, 0, 2])
    expected = (negative_log(logits[0], 2) + negative_log(logits[1], 0)) / 2
    assert loss(task_of[shape], torch.tensor(logits), encoded, [2, 1]).item() == pytest.approx(expected)


def test_loss_of_tags_counts_the_first_sub_tokens_that_are_there(task_of):
    logits = torch.randn(3, 4, len(task_of["tagging"].labels), generator=torch.Generator().manual_seed(0))
    words = [[(0, 1), (0, 2)], [(0, 1), (0, 3), None, (1, 2)]]  # the second sentence is in two pieces
    encoded = Encoded([[[0]], [[0], [0]]], gold=[[1, 2], [3, 0, 4, 5]], words=words)
    counted = [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 3, 0), (2, 2, 5)]  # sequence, position, tag
    expected = sum(negative_log(logits[at, position].tolist(), tag) for at, position, tag in counted) / 5
    assert loss(task_of["tagging"], logits, encoded, [0, 1]).item() == pytest.approx(expected, rel=1e-5)


def test_loss_of_spans_by_hand(task_of):
    one, other = [[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]], [[4.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    starts = [negative_log([1.0, 2.0, 0.0], 1), negative_log([4.0, 0.0, 1.0], 0)]
    ends = [negative_log([0.0, 1.0, 3.0], 2), negative_log([1.0, 0.0, 1.0], 0)]
    for gold in ([[(1, 2)], [(0, 0)]], [[(1, 2), (0, 0)]]):  # two windows of two rows, or of one
        encoded = Encoded([[[0]]] * len(gold), gold=gold)
        found = loss(task_of["span"], torch.tensor([one, other]), encoded, list(range(len(gold))))
        assert found.item() == pytest.approx((sum(starts) + sum(ends)) / 4)


@pytest.mark.parametrize("shape", ["pair", "choice"])
def test_the_class_of_the_highest_logit_is_decided(shape, task_of):
    logits = torch.tensor([[0.0, 1.0, -1.0], [5.0, 1.0, 2.0]])
    assert decide(task_of[shape], logits, Encoded([[[0]]] * 2), [0, 1], [{}, {}]) == [1, 0]


def test_tags_are_read_at_the_first_sub_tokens_and_words_without_are_outside(task_of):
    labels = task_of["tagging"].labels
    logits = torch.zeros(3, 4, len(labels))
    logits[0, 1, 3] = logits[0, 2, 4] = logits[0, 3, 5] = logits[1, 1, 2] = logits[2, 1, 6] = 1
    encoded = Encoded([[[0]], [[0], [0]]], words=[[(0, 1)], [(0, 1), (0, 3), None, (1, 1)]])
    decided = decide(task_of["tagging"], logits, encoded, [1, 0], [{}, {}])
    assert decided == [[labels[3], labels[5], "O", labels[2]], [labels[6]]]


CONTEXT = "ab cd ef"
OFFSETS = [None, None, (0, 2), (2, 5), (5, 8), None]  # <s> question ab cd ef </s>


def window(start, end, null=(0.0, 0.0), length=6):
    """Logits of a window that are 0 but for the given {position: value}."""
    logits = torch.zeros(length, 2)
    logits[0] = torch.tensor(null)
    for column, values in enumerate((start, end)):
        for position, value in values.items():
            logits[position, column] = value
    return logits


def answer(task, *windows, context=CONTEXT, offsets=None):
    offsets = offsets or [OFFSETS] * len(windows)
    encoded = Encoded([[[0]] * len(windows)], offsets=[offsets])
    return decide(task, torch.stack(windows), encoded, [0], [{"context": context}])[0]


@pytest.fixture
def answerable(task_of):
    return dataclasses.replace(task_of["span"], unanswerable=False)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ({2: 1}, {2: 1}, "ab"),
        ({2: 1}, {4: 1}, "ab cd ef"),
        ({3: 1}, {4: 1}, "cd ef"),  # without the space that its first token holds
        ({4: 3, 2: 1}, {2: 3, 4: 1}, "ab"),  # 4 to 2 would score 6: backwards; of 2-2 and 4-4, both 4, the first
        ({4: 3, 2: 1}, {2: 2.5, 4: 1}, "ef"),
        ({1: 9, 2: 1}, {5: 9, 3: 1}, "ab cd"),  # outside the context
    ],
)
def test_the_best_span_of_the_context_is_decided(start, end, expected, task_of, answerable):
    for task in (task_of["span"], answerable):
        assert answer(task, window(start, end)) == expected


@pytest.mark.parametrize(
    ("null", "expected"), [((1.0, 0.5), "ab"), ((1.0, 1.0), "ab"), ((1.0, 1.1), ""), ((2.5, 0.0), ""), ((0.0, 9.0), "")]
)
def test_no_answer_where_the_null_score_is_higher(null, expected, task_of, answerable):
    assert answer(task_of["span"], window({2: 1}, {2: 1}, null)) == expected
    assert answer(answerable, window({2: 1}, {2: 1}, null)) == "ab"


def test_the_best_span_of_all_windows_is_decided(answerable):
    windows = window({2: 1}, {2: 1}), window({3: 2}, {3: 2}), window({4: 1.5}, {4: 1.5})
    assert answer(answerable, *windows) == "cd"
    assert answer(answerable, *windows[::-1]) == "cd"
    later = [None, None, (5, 8), None, None, None]  # the second window begins later in the context
    assert answer(answerable, window({2: 1}, {2: 1}), window({2: 2}, {2: 2}), offsets=[OFFSETS, later]) == "ef"


@pytest.mark.parametrize(
    ("nulls", "expected"),
    [(((3, 0), (9, 9)), "cd"), (((4.1, 0), (9, 9)), ""), (((9, 9), (0, 3.9)), "cd"), (((9, 9), (0, 4.1)), "")],
)
def test_the_lowest_null_score_of_the_windows_counts(nulls, expected, task_of):
    windows = window({2: 1}, {2: 1}, nulls[0]), window({3: 2}, {3: 2}, nulls[1])  # the best span scores 4
    assert answer(task_of["span"], *windows) == expected


def test_windows_are_those_of_their_rows(answerable):
    logits = torch.stack([window({2: 1}, {2: 1}), window({3: 2}, {3: 2}), window({4: 1}, {4: 1})])
    encoded = Encoded([[[0]], [[0]] * 2], offsets=[[OFFSETS], [OFFSETS] * 2])
    assert decide(answerable, logits, encoded, [0, 1], [{"context": CONTEXT}] * 2) == ["ab", "cd"]
    assert decide(answerable, logits, encoded, [1, 0], [{"context": CONTEXT}] * 2) == ["cd", "ef"]


def test_no_answer_where_there_is_no_context(task_of, answerable):
    for task in (task_of["span"], answerable):
        assert answer(task, window({2: 5}, {2: 5}), context="", offsets=[[None] * 6]) == ""


@pytest.mark.parametrize("length", [LONGEST_ANSWER, LONGEST_ANSWER + 1])
def test_an_answer_has_at_most_so_many_tokens(length, task_of):
    offsets = [None, *((i, i + 1) for i in range(60))]
    found = answer(
        task_of["span"], window({1: 5}, {length: 5}, length=len(offsets)), context="x" * 60, offsets=[offsets]
    )
    allowed = length <= LONGEST_ANSWER
    assert (len(found) == length) == allowed
    assert 0 < len(found) <= LONGEST_ANSWER


def test_decisions_agree_with_loss(tiny_encoder, tiny_rows, task_of):
    """Logits that make the loss vanish give back the gold answers."""
    for shape in TRAINED:
        task, rows = task_of[shape], tiny_rows(shape, 6)
        encoded = encode(task, rows, tiny_encoder.tokenizer, 64)
        model = TaskModel(tiny_encoder.model, task, seed=0)
        logits = torch.zeros_like(model(collate(encoded, list(range(6)), 1), 6))
        for i, gold in enumerate(encoded.gold):
            if shape == "tagging":
                for (_, position), tag in zip(encoded.words[i], gold, strict=True):
                    logits[i, position, tag] = 50
            elif shape == "span":
                logits[i, gold[0][0], 0] = logits[i, gold[0][1], 1] = 50
            else:
                logits[i, gold] = 50
        assert loss(task, logits, encoded, list(range(6))).item() < 1e-6
        right = {
            "pair": lambda row: row["label"],
            "choice": lambda row: row["label"],
            "tagging": lambda row, task=task: [task.labels[tag] for tag in row["tags"]],
            "span": lambda row: (row["answers"]["text"] or [""])[0],
        }[shape]
        decided = heads.decide(task, logits, encoded, list(range(6)), rows)
        assert decided == [right(row) for row in rows]
