import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from stilts_utils.models.batches import (
    Encoded,
    collate,
    encode,
    encode_candidates,
    encode_texts,
    inference_batches,
    training_order,
)

SHAPES = ("pair", "choice", "tagging", "span", "retrieval")
PAD = 1


def words_of(tokenizer, sequence):
    """The words of a sequence of the random tokenizer, which marks a space by a letter of its own."""
    pieces = tokenizer.convert_ids_to_tokens(sequence, skip_special_tokens=True)
    return "".join(pieces).replace("Ġ", " ").split()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_is_encoded_with_its_gold_answer(shape, tokenizer, tiny_rows, task_of):
    rows = tiny_rows(shape, 6)
    encoded = encode(task_of[shape], rows, tokenizer, 64)
    assert len(encoded) == 6
    assert [len(sequences) for sequences in encoded.sequences] == [4 if shape == "choice" else 1] * 6
    assert len(encoded.gold) == (0 if shape == "retrieval" else 6)
    if shape in ("pair", "choice"):
        assert encoded.gold == [row["label"] for row in rows]
    for sequence in itertools.chain(*encoded.sequences):
        assert (sequence[0], sequence[-1]) == (0, 2)
        assert PAD not in sequence


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_are_counted_without_padding(shape, tokenizer, tiny_rows, task_of):
    encoded = encode(task_of[shape], tiny_rows(shape, 9), tokenizer, 64)
    rows = list(range(9))
    assert encoded.tokens == int(collate(encoded, rows, PAD)["attention_mask"].sum())
    assert encoded.tokens == sum(encode(task_of[shape], [row], tokenizer, 64).tokens for row in tiny_rows(shape, 9))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_length_limit_holds(shape, tokenizer, tiny_rows, task_of):
    limit = {"retrieval": 8, "span": 30}.get(shape, 12)  # of a span task's windows
    whole, cut = (encode(task_of[shape], tiny_rows(shape, 6), tokenizer, length) for length in (64, limit))
    assert limit < max(map(len, itertools.chain(*whole.sequences))) < 64
    assert max(map(len, itertools.chain(*cut.sequences))) == limit


def test_sequences_hold_what_the_row_says(tokenizer, task_of):
    def texts(shape, row):
        row = {"id": "0", "label": 0, **row}
        found = encode(task_of[shape], [row], tokenizer, 64).sequences[0]
        return [words_of(tokenizer, sequence) for sequence in found]

    assert texts("pair", {"text_a": "one day", "text_b": "a week"}) == [["one", "day", "a", "week"]]
    assert texts("choice", {"question": "who", "choices": ["me", "you"]}) == [["who", "me"], ["who", "you"]]
    assert texts("retrieval", {"query": "now", "right": ["t"]}) == [["now"]]


def test_words_point_to_their_first_sub_token(tokenizer, task_of):
    row = {"id": "0", "tokens": ["12", "May", "東京", "x"], "tags": [3, 5, 0, 0]}
    encoded = encode(task_of["tagging"], [row], tokenizer, 64)
    assert encoded.gold == [[3, 5, 0, 0]]
    pieces = tokenizer.convert_ids_to_tokens(encoded.sequences[0][0])
    starts = [i for i, piece in enumerate(pieces) if piece == "Ġ"]  # every word is led by a space
    assert encoded.words == [[(0, start) for start in starts]]


def test_a_sentence_that_does_not_fit_is_read_in_pieces(tokenizer, task_of):
    long, short = {"tokens": ["abc", "def", "ghi", "jkl"], "tags": [0, 1, 2, 3]}, {"tokens": ["ab"], "tags": [0]}
    encoded = encode(task_of["tagging"], [short, long, short], tokenizer, 1 + 4 + 4 + 2 + 1)
    assert encoded.words == [[(0, 1)], [(0, 1), (0, 5), (0, 9), (1, 3)], [(0, 1)]]  # the third word is parted
    assert [len(sequences) for sequences in encoded.sequences] == [1, 2, 1]
    assert all((sequence[0], sequence[-1]) == (0, 2) for sequence in encoded.sequences[1])
    whole = encode(task_of["tagging"], [long], tokenizer, 64).sequences[0][0]
    assert [*encoded.sequences[1][0][1:-1], *encoded.sequences[1][1][1:-1]] == whole[1:-1]
    assert encoded.gold[1] == [0, 1, 2, 3]


def tokenizer_of(pre_tokenizer, post=("<s> $A </s>", "<s> $A </s> </s> $B </s>"), types=False, **roles):
    """A tokenizer of UTF-8 bytes."""
    tokens = ["<s>", "<pad>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(*post, [("<s>", 0), ("</s>", 2)])
    names = ["input_ids", *["token_type_ids"] * types, "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **roles)


BARE = pre_tokenizers.ByteLevel(add_prefix_space=False)


@pytest.mark.parametrize("prefixed", [True, False])
def test_words_are_read_as_in_text(prefixed, task_of):
    """A byte-level tokenizer that puts no space before a word is given one."""
    tokenizer = tokenizer_of(pre_tokenizers.ByteLevel(add_prefix_space=prefixed))
    row = {"id": "0", "tokens": ["12", "May", "x"], "tags": [3, 5, 0]}
    encoded = encode(task_of["tagging"], [row], tokenizer, 64)
    assert encoded.sequences[0][0] == tokenizer("12 May x")["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(encoded.sequences[0][0])
    assert [pieces[i] for _, i in encoded.words[0]] == ["Ġ" if prefixed else "1", "Ġ", "Ġ"]


def test_a_tokenizer_that_does_not_read_words_as_text(task_of):
    tokenizer = tokenizer_of(pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), BARE]))
    assert encode(task_of["tagging"], [{"tokens": ["a", "b"], "tags": [0, 0]}], tokenizer, 9).words == [
        [(0, 1), (0, 2)]
    ]
    tokenizer = tokenizer_of(pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "isolated"), BARE]))
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.Strip()])
    with pytest.raises(ValueError, match="tokenizer does not read words as it reads text.*add_prefix_space=True"):
        encode(task_of["tagging"], [{"tokens": ["a", "b"], "tags": [0, 0]}], tokenizer, 9)


def test_a_word_of_which_nothing_is_left_has_no_token(tokenizer, task_of):
    row = {"id": "0", "tokens": ["a", "", "b"], "tags": [0, 0, 0]}
    first, gone, last = encode(task_of["tagging"], [row], tokenizer, 64).words[0]
    assert gone is None and first < last


def span_row(context, answer):
    start = context.find(answer) if answer else -1
    answers = {"text": [answer], "answer_start": [start]} if answer else {"text": [], "answer_start": []}
    return {"id": "0", "question": "what?", "context": context, "answers": answers}


CONTEXT = "The page is gone."


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        *((CONTEXT, answer) for answer in ("page", "The", "gone.", CONTEXT)),
        ("東京は日本の首都", "日本"),
        ("กรุงเทพเป็นเมืองหลวง", "เมืองหลวง"),
        ("ရန်ကုန်မြို့", "မြို့"),
    ],
)
def test_the_gold_span_covers_the_answer(context, answer, tokenizer, task_of):
    encoded = encode(task_of["span"], [span_row(context, answer)], tokenizer, 128)
    (start, end), offsets = encoded.gold[0][0], encoded.offsets[0][0]
    assert context[offsets[start][0] : offsets[end][1]].strip() == answer


def test_a_context_that_fits_is_what_the_tokenizer_makes_of_the_pair(tokenizer, task_of):
    encoded = encode(task_of["span"], [span_row(CONTEXT, "page")], tokenizer, 64)
    assert encoded.sequences == [[tokenizer("what?", CONTEXT)["input_ids"]]]
    assert encoded.gold[0][0] != (0, 0)


@pytest.mark.parametrize(("training", "shape"), [(False, [3, 1]), (True, [1, 1, 1, 1])])
def test_windows_are_rows_of_their_own_in_training(training, shape, tokenizer, task_of):
    rows = [span_row("The page is gone and so is the one that was here before it.", "page"), span_row("A page", "page")]
    encoded = encode(task_of["span"], rows, tokenizer, 44, stride=10, training=training)
    for column in (encoded.sequences, encoded.offsets, encoded.gold):
        assert [len(parts) for parts in column] == shape
    flat = list(itertools.chain(*encoded.gold))
    assert [gold != (0, 0) for gold in flat] == [True, False, False, True]


def test_a_long_question_is_cut(tokenizer, task_of):
    row = span_row("The page", "page") | {"question": "why " * 50}
    for most, kept in ((200, 64), (64, 32)):
        encoded = encode(task_of["span"], [row], tokenizer, most)
        sequence, offsets = encoded.sequences[0][0], encoded.offsets[0][0]
        assert sequence[1 : 1 + kept] == tokenizer(row["question"], add_special_tokens=False)["input_ids"][:kept]
        assert offsets.index((0, 1)) in (kept + 3, kept + 4) and len(sequence) == kept + 4 + len(" The page")


TYPED = ("<s> $A </s>", "<s>:0 $A:0 </s>:0 $B:1 </s>:1")


@pytest.mark.parametrize("shape", ["pair", "choice", "span"])
def test_token_types_are_those_of_the_tokenizer(shape, tiny_rows, task_of):
    rows, tokenizer = tiny_rows(shape, 3), tokenizer_of(BARE, TYPED, types=True)
    encoded = encode(task_of[shape], rows, tokenizer, 128)
    assert encode(task_of[shape], rows, tokenizer_of(BARE, TYPED), 128).types == []
    first, second = {"pair": ("text_a", "text_b"), "choice": ("question", "choices"), "span": ("question", "context")}[
        shape
    ]
    for row, sequences, types in zip(rows, encoded.sequences, encoded.types, strict=True):
        seconds = row[second] if shape == "choice" else [row[second]]
        expected = [tokenizer(row[first], text) for text in seconds]
        assert sequences == [found["input_ids"] for found in expected]
        assert types == [found["token_type_ids"] for found in expected]
    batch = collate(encoded, [2, 0], PAD)
    assert batch["token_type_ids"].shape == batch["input_ids"].shape
    assert batch["token_type_ids"].sum() == sum(map(sum, encoded.types[2] + encoded.types[0]))


def test_token_types_that_are_all_0_are_left_out(tokenizer):
    encoded = encode_texts(["ab"], tokenizer_of(BARE, TYPED, types=True), 9)
    assert encoded.types == [] and set(collate(encoded, [0], PAD)) == {"input_ids", "attention_mask"}


def test_a_tokenizer_without_padding_token(tokenizer):
    encoded = encode_texts(["ab"], tokenizer_of(BARE), 9)
    with pytest.raises(ValueError, match="pad_token_id of the tokenizer is None, allowed: a token's id; set pad_token"):
        collate(encoded, [0], tokenizer_of(BARE).pad_token_id)


@pytest.mark.parametrize("types", [False, True])
def test_candidates_are_encoded_with_their_context_where_they_have_one(types):
    tokenizer = tokenizer_of(BARE, TYPED, types)
    rows = [{"id": "1", "text": "one", "context": ""}, {"id": "2", "text": "two", "context": "one. two."}]
    encoded = encode_candidates(rows, tokenizer, 64)
    expected = [tokenizer("one"), tokenizer("two", "one. two.")]
    assert encoded.sequences == [[found["input_ids"]] for found in expected]
    assert encoded.types == ([[found["token_type_ids"]] for found in expected] if types else [])
    assert len(encode_candidates(rows, tokenizer, 8).sequences[1][0]) == 8


@pytest.mark.parametrize("length", [1, 3])
def test_collate_by_hand(length):
    encoded = Encoded([[[5, 6, 7]], [[8] * length]])
    batch = collate(encoded, [1, 0], pad=PAD)
    padding = 3 - length
    assert batch["input_ids"].tolist() == [[8] * length + [PAD] * padding, [5, 6, 7]]
    assert batch["attention_mask"].tolist() == [[1] * length + [0] * padding, [1, 1, 1]]


def test_collate_pads_every_window():
    encoded = Encoded([[[5, 6], [7]], [[8]]], types=[[[0, 1], [1]], [[0]]])
    batch = collate(encoded, [0, 1], pad=PAD)
    assert batch["input_ids"].tolist() == [[5, 6], [7, PAD], [8, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0], [1, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 1], [1, 0], [0, 0]]


lengths = st.lists(st.integers(1, 60), min_size=1, max_size=50)


def of_lengths(found, choices=1):
    return Encoded([[[9] * max(1, length - c) for c in range(choices)] for length in found])


def padded(encoded, rows):
    return collate(encoded, rows, PAD)["input_ids"].numel()


@given(lengths, st.integers(1, 4), st.integers(1, 300))
@settings(deadline=None)
def test_inference_batches_part_all_rows_within_the_budget(found, choices, budget):
    encoded = of_lengths(found, choices)
    if choices == 4:  # rows of one to three windows
        encoded = Encoded([row[: 1 + i % 3] for i, row in enumerate(encoded.sequences)])
    batches = list(inference_batches(encoded, budget))
    assert sorted(itertools.chain(*batches)) == list(range(len(found)))
    assert all(len(rows) == 1 or padded(encoded, rows) <= budget for rows in batches)
    for rows, following in itertools.pairwise(batches):  # no batch could have taken the next row
        assert padded(encoded, [*rows, following[0]]) > budget


@given(lengths, st.integers(1, 4))
@settings(deadline=None)
def test_masks_count_the_tokens(found, choices):
    encoded = of_lengths(found, choices)
    rows = list(range(len(found)))[::-1]
    batch = collate(encoded, rows, PAD)
    assert batch["attention_mask"].sum(1).tolist() == [len(s) for row in rows for s in encoded.sequences[row]]
    assert ((batch["input_ids"] == PAD) == (batch["attention_mask"] == 0)).all()


@given(lengths, st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_an_epoch_has_every_row_once_but_for_the_remainder(found, size, seed):
    order = training_order(of_lengths(found), size, seed)
    per_epoch = max(1, len(found) // size)
    for _ in range(2):
        epoch = list(itertools.islice(order, per_epoch))
        rows = list(itertools.chain(*epoch))
        assert len(set(rows)) == len(rows) == (per_epoch * size if len(found) >= size else len(found))
        assert {len(batch) for batch in epoch} == {min(size, len(found))}


def first(encoded, seed, count=20):
    return list(itertools.islice(training_order(encoded, 4, seed), count))


def test_the_order_depends_on_the_seed_alone():
    encoded = of_lengths(np.random.default_rng(0).integers(1, 60, 40))
    state = np.random.get_state()[1].copy()
    assert first(encoded, seed=3) == first(encoded, seed=3)
    assert first(encoded, seed=3) != first(encoded, seed=4)
    assert (np.random.get_state()[1] == state).all()


def test_epochs_differ_and_batches_hold_rows_of_like_length():
    found = np.random.default_rng(0).permutation(np.arange(1, 129))
    order = training_order(of_lengths(found), 8, seed=0)
    epochs = [list(itertools.islice(order, 16)) for _ in range(2)]
    assert epochs[0] != epochs[1]
    spread = np.mean([np.ptp(found[batch]) for batch in epochs[0]])
    assert spread < np.ptp(found) / 4  # of all 128 rows at random it would be nearly all
    assert len({min(found[batch]) for batch in epochs[0][:4]}) == 4  # and the short ones do not all come first


def test_texts_are_encoded_one_by_one(tokenizer):
    encoded = encode_texts(["ab", "abcdef"], tokenizer, 6)
    assert [len(sequences[0]) for sequences in encoded.sequences] == [5, 6]
