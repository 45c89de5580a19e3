import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from stilts_utils.models.encoder import Encoder
from stilts_utils.study.settings import EncoderSpec
from stilts_utils.workflow import pack_vocabulary
from stilts_utils.workflow.pack_vocabulary import VocabularyError

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
ROLES = dict(bos_token="<s>", cls_token="<s>", pad_token="<pad>", eos_token="</s>", sep_token="</s>", unk_token="<unk>")


def fast(model, split=None) -> PreTrainedTokenizerFast:
    """A tokenizer around a model whose first pieces are SPECIAL."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = split or pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ROLES)


def unigram(pieces: dict[str, float]) -> PreTrainedTokenizerFast:
    entries = [(piece, 0.0) for piece in SPECIAL] + list(pieces.items())
    return fast(models.Unigram(entries, unk_id=3), pre_tokenizers.Metaspace())


def pieces_of(tokenizer, texts) -> list[list[str]]:
    return [tokenizer.convert_ids_to_tokens(ids) for _, ids in pack_vocabulary.tokenise(tokenizer, texts)]


def cut_of(tokenizer, texts):
    return pack_vocabulary.cut_tokenizer(tokenizer, pack_vocabulary.kept_ids(tokenizer, set(texts)))


words = st.lists(st.text("abcxé", min_size=1, max_size=8), min_size=1, max_size=6)  # x and é are no pieces
texts_of_words = st.lists(words.map(" ".join), min_size=1, max_size=5)
# Few different scores, so that paths through a word are often equally good.
unigrams = st.dictionaries(
    st.text("▁abc", min_size=1, max_size=4), st.sampled_from([-1.0, -2.0, -2.5, -3.0]), min_size=1
)


@settings(max_examples=300, deadline=None)
@given(unigrams, texts_of_words)
def test_unigram_tokens_stay(pieces, texts):
    whole = unigram(pieces)
    cut = cut_of(whole, texts)
    assert pieces_of(cut, texts) == pieces_of(whole, texts)
    used = {piece for found in pieces_of(whole, texts) for piece in found}
    assert len(cut) <= len(used | set(SPECIAL)) + 1  # and the piece of the lowest score


def test_unigram_keeps_the_score_of_the_unknown_token():
    # Without the worst piece the unknown token would cost 11 and not 110, and beat "ab" after it.
    whole = unigram({"▁": -1.0, "ab": -50.0, "a": -1.0, "worst": -100.0})
    cut = cut_of(whole, ["ab x"])
    assert pieces_of(cut, ["ab x"]) == pieces_of(whole, ["ab x"])
    assert "worst" in cut.get_vocab()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=4, unique=True), texts_of_words)
def test_bpe_tokens_stay(pairs, texts):
    tokens = [*SPECIAL, "a", "b", "c"]
    merges = []
    for a, b in pairs:  # merges of single characters, and of what they made
        for left, right in ((a, b), (a + b, b), (b, a + b)):
            if {left, right} <= set(tokens) and left + right not in tokens:
                merges.append((left, right))
                tokens.append(left + right)
    whole = fast(models.BPE({token: i for i, token in enumerate(tokens)}, merges, unk_token="<unk>"))
    assert pieces_of(cut_of(whole, texts), texts) == pieces_of(whole, texts)


pieces = st.sets(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=10)


@settings(max_examples=200, deadline=None)
@given(pieces, pieces, texts_of_words)
def test_word_piece_tokens_stay(first, later, texts):
    tokens = [*SPECIAL, *sorted(first), *(f"##{piece}" for piece in sorted(later))]
    whole = fast(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="<unk>"))
    assert pieces_of(cut_of(whole, texts), texts) == pieces_of(whole, texts)


def test_an_unknown_word_does_not_become_known_with_fewer_pieces():
    # "abc" begins with "ab", whose rest is no piece; without "ab", "a" and "##bc" would do.
    tokens = [*SPECIAL, "ab", "a", "##bc", "b", "##b"]
    whole = fast(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="<unk>"))
    texts = ["abc", "a", "bbc"]
    assert pieces_of(whole, texts) == [["a"], ["<unk>"], ["b", "##bc"]]
    assert pieces_of(cut_of(whole, texts), texts) == pieces_of(whole, texts)


def test_words_are_tokenised_one_by_one():
    whole = unigram({"▁": -1.0, "▁ab": -1.0, "a": -2.0, "b": -2.0, "▁a": -1.0, "unused": -9.0})
    texts = {("ab", "a"), "b"}
    cut = cut_of(whole, texts)
    assert pieces_of(cut, texts) == [["▁", "b"], ["▁ab", "▁a"]]
    assert set(cut.get_vocab()) == {*SPECIAL, "▁", "b", "▁ab", "▁a", "unused"}


def test_special_tokens_are_put_around_texts_and_padding_is_theirs():
    whole = unigram({"z": -1.0, "▁": -1.0, "a": -1.0, "b": -1.0, "y": -1.0})
    cut = cut_of(whole, ["ab"])
    assert cut.convert_ids_to_tokens(cut("ab")["input_ids"]) == ["<s>", "▁", "a", "b", "</s>"]
    assert cut(["ab", "a"], padding=True)["input_ids"][1][-1] == cut.pad_token_id == 1
    assert len(cut) < len(whole)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (models.WordLevel({token: i for i, token in enumerate(SPECIAL)}, unk_token="<unk>"), "is a WordLevel model"),
        (
            models.BPE(
                {token: i for i, token in enumerate([*SPECIAL, "a"])},
                [],
                unk_token="<unk>",
                continuing_subword_prefix="#",
            ),
            "BPE with a prefix",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_cut_is_refused(model, said):
    with pytest.raises(VocabularyError, match=f"tokenizer .*{said}.*, allowed: "):
        pack_vocabulary.kept_ids(fast(model), {"a"})


def test_texts_of_rows_are_their_strings_and_words(tiny_rows):
    rows = [row for shape in ("pair", "choice", "tagging", "span", "retrieval") for row in tiny_rows(shape, 1)]
    found = pack_vocabulary.texts_of(rows)
    assert {"aaaa", "0 then", "which has a", "d 3", ("0", "of"), "The pagea was changed.", "changed what?"} < found
    assert not {"pair-0", "t0"} & found


@pytest.fixture
def roberta(tmp_path):
    """An encoder of the RoBERTa kind, whose positions depend on the id of the padding token."""
    tokenizer = unigram(
        {piece: -1.0 - i / 10 for i, piece in enumerate(["q", "▁", "a", "▁b", "ab", "w", "v", "ba", "▁a"])}
    )
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = XLMRobertaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, **sizes
        )
        model = XLMRobertaModel(config, add_pooling_layer=False).eval()
    return Encoder(EncoderSpec("random"), model, tokenizer)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_cut_encoder_gives_the_same_states(kind, tiny_encoder, roberta):
    whole = {"bert": tiny_encoder, "roberta": roberta}[kind]
    texts = {"ab ba", "bab a", ("a", "b"), "b"}
    cut, kept = pack_vocabulary.cut(whole, texts)
    assert len(kept) == len(cut.tokenizer) == cut.model.config.vocab_size < len(whole.tokenizer)
    assert pack_vocabulary.largest_difference(whole, cut, ["ab ba", "b"]) == 0
    assert len(cut.model.embeddings.word_embeddings.weight) == len(kept)
    assert not cut.model.training and not any(p.requires_grad for p in cut.model.embeddings.parameters())
    assert cut.trainable().keys() == whole.trainable().keys()


def test_a_difference_is_seen(tiny_encoder):
    cut, _ = pack_vocabulary.cut(tiny_encoder, {"ab"})
    with torch.no_grad():
        cut.model.embeddings.word_embeddings.weight[-1] += 1
        cut.model.encoder.layer[1].output.dense.bias[0] += 1
    assert pack_vocabulary.largest_difference(tiny_encoder, cut, ["ab"]) > 0.1


def test_tokens_that_would_change_stop_the_cut(tiny_encoder, monkeypatch):
    monkeypatch.setitem(pack_vocabulary.KEEP, "BPE", lambda state, used, *rest: used - {max(used)})
    with pytest.raises(VocabularyError, match="tokens of 'ab' would change: "):
        pack_vocabulary.cut(tiny_encoder, {"ab"})
