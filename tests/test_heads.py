import math

import pytest
import torch

from stilts_utils import heads
from stilts_utils.batches import Encoded, collate, encode
from stilts_utils.heads import LONGEST_ANSWER, TaskModel, decide, loss, mean_pool

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
    logits = torch.randn(2, 4, len(task_of["tagging"].labels), generator=torch.Generator().manual_seed(0))
    encoded = Encoded([[[0]]] * 2, gold=[[1, 2], [3, 0, 4]], words=[[1, 2], [1, 3, None]])
    counted = [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 3, 0)]  # row, position, tag
    expected = sum(negative_log(logits[row, position].tolist(), tag) for row, position, tag in counted) / 4
    assert loss(task_of["tagging"], logits, encoded, [0, 1]).item() == pytest.approx(expected, rel=1e-5)


def test_loss_of_spans_by_hand(task_of):
    logits = torch.tensor([[[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]])
    encoded = Encoded([[[0]]], gold=[(1, 2)])
    expected = (negative_log([1.0, 2.0, 0.0], 1) + negative_log([0.0, 1.0, 3.0], 2)) / 2
    assert loss(task_of["span"], logits, encoded, [0]).item() == pytest.approx(expected)


@pytest.mark.parametrize("shape", ["pair", "choice"])
def test_the_class_of_the_highest_logit_is_decided(shape, task_of):
    logits = torch.tensor([[0.0, 1.0, -1.0], [5.0, 1.0, 2.0]])
    assert decide(task_of[shape], logits, Encoded([[[0]]] * 2), [0, 1], [{}, {}]) == [1, 0]


def test_tags_are_read_at_the_first_sub_tokens_and_cut_words_are_outside(task_of):
    labels = task_of["tagging"].labels
    logits = torch.zeros(1, 4, len(labels))
    logits[0, 1, 3] = logits[0, 2, 4] = logits[0, 3, 5] = 1
    encoded = Encoded([[[0]]] * 2, words=[[], [1, 3, None]])
    assert decide(task_of["tagging"], logits, encoded, [1], [{}]) == [[labels[3], labels[5], "O"]]


CONTEXT = "ab cd ef"
OFFSETS = [None, None, (0, 2), (2, 5), (5, 8), None]  # <s> question ab cd ef </s>


def span(start, end, null=(0.0, 0.0), task=None, context=CONTEXT, offsets=OFFSETS):
    """The answer decided from logits that are 0 but for the given {position: value}."""
    logits = torch.zeros(1, len(offsets), 2)
    logits[0, 0] = torch.tensor(null)
    for column, values in enumerate((start, end)):
        for position, value in values.items():
            logits[0, position, column] = value
    return decide(task, logits, Encoded([[[0]]], offsets=[offsets]), [0], [{"context": context}])[0]


@pytest.mark.parametrize(
    ("start", "end", "answer"),
    [
        ({2: 1}, {2: 1}, "ab"),
        ({2: 1}, {4: 1}, "ab cd ef"),
        ({3: 1}, {4: 1}, " cd ef"),
        ({4: 3, 2: 1}, {2: 3, 4: 1}, "ab"),  # 4 to 2 would score 6: backwards; of 2-2 and 4-4, both 4, the first
        ({4: 3, 2: 1}, {2: 2.5, 4: 1}, " ef"),
        ({1: 9, 2: 1}, {5: 9, 3: 1}, "ab cd"),  # outside the context
    ],
)
def test_the_best_span_of_the_context_is_decided(start, end, answer, task_of):
    assert span(start, end, task=task_of["span"]) == answer


@pytest.mark.parametrize(("null", "answer"), [((1.0, 0.5), "ab"), ((1.0, 1.0), ""), ((2.5, 0.0), ""), ((0.0, 9.0), "")])
def test_no_answer_where_the_null_score_is_not_beaten(null, answer, task_of):
    assert span({2: 1}, {2: 1}, null, task=task_of["span"]) == answer


def test_no_answer_where_the_context_was_cut_off(task_of):
    assert span({2: 5}, {2: 5}, task=task_of["span"], offsets=[None] * 6) == ""


@pytest.mark.parametrize("length", [LONGEST_ANSWER, LONGEST_ANSWER + 1])
def test_an_answer_has_at_most_so_many_tokens(length, task_of):
    offsets = [None, *((i, i + 1) for i in range(60))]
    found = span({1: 5}, {length: 5}, task=task_of["span"], context="x" * 60, offsets=offsets)
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
                for position, tag in zip(encoded.words[i], gold, strict=True):
                    logits[i, position, tag] = 50
            elif shape == "span":
                logits[i, gold[0], 0] = logits[i, gold[1], 1] = 50
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
        assert [d.strip() if shape == "span" else d for d in decided] == [right(row) for row in rows]
