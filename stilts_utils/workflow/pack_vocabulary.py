"""An encoder cut down to the vocabulary of given texts, with the same tokens and the same states for these texts.

The word embeddings are most of a small multilingual encoder: 96 of 118 million weights of multilingual-e5-small.
"""

import json
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from stilts_utils.models.encoder import Encoder

BATCH = 1000  # texts that are tokenised in one call


class VocabularyError(ValueError):
    """A tokenizer cannot be cut down, or would not give the same tokens any more."""


Text = str | tuple[str, ...]  # a text, or words that are tokenised one by one


def texts_of(rows: Iterable[dict]) -> set[Text]:
    """Every text in some rows: strings, and the words of `tokens`. Ids are no texts."""
    texts: set[Text] = set()

    def walk(value):
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for row in rows:
        for name, value in row.items():
            if name == "tokens":
                texts.add(tuple(value))
            elif name not in ("id", "right"):
                walk(value)
    return texts


def tokenise(tokenizer, texts: Iterable[Text]) -> Iterator[tuple[Text, list[int]]]:
    """Yield every text and its token ids, without special tokens around it."""
    for split in (False, True):
        chosen = sorted(text for text in texts if isinstance(text, tuple) is split)
        for i in range(0, len(chosen), BATCH):
            part = chosen[i : i + BATCH]
            inputs = [list(words) for words in part] if split else part
            ids = tokenizer(inputs, is_split_into_words=split, add_special_tokens=False)["input_ids"]
            yield from zip(part, ids, strict=True)


def _pieces(model: dict) -> dict[str, int]:
    if model["type"] == "Unigram":
        return {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    return model["vocab"]


def _with_unigram(state: dict, used: set[int], tokenizer, unknown: set[str]) -> set[int]:
    """Kept ids of a Unigram model: what the texts use, and the piece of the lowest score.

    The tokens of these texts do not change. Let V be all pieces, K the kept ones. The tokenizer takes the path of the
    highest sum of scores, where at a character that is no piece it may take the unknown token, at the lowest score of
    all pieces less 10; that score is the same with K, which holds the piece of the lowest score. A path with K that
    takes the unknown token at a character that is a piece of V only has, with V, a counterpart of a higher score: the
    one that takes the piece. So at no character is the best sum with K above that with V, also in floating point, since
    rounded addition keeps the order. The path taken with V consists of used pieces, which are in K, and of unknown
    tokens at characters that are no pieces in either; its sums are computed from the same numbers in the same order,
    and so it is still a best one. Of equally good candidates the tokenizer takes the first by where it starts: one
    that comes earlier with K came earlier with V, had there a lower sum than the one taken, and has no higher one now.
    """
    scores = [score for _, score in state["model"]["vocab"]]
    if state["model"].get("byte_fallback"):
        used = used | {i for i, (piece, _) in enumerate(state["model"]["vocab"]) if piece.startswith("<0x")}
    return used | {int(np.argmin(scores))}


def _with_bpe(state: dict, used: set[int], tokenizer, unknown: set[str]) -> set[int]:
    """Kept ids of a BPE model: what the texts use, and every piece inside a used one.

    The tokens of these texts do not change: a merge that is applied to a text makes a piece inside one of its tokens,
    so it is kept with its parts. At each step the first applicable merge of the list is applied; it is kept, and so it
    is still the first of the remaining ones.
    """
    if state["model"].get("continuing_subword_prefix"):
        raise VocabularyError(
            "tokenizer is BPE with a prefix of continuing pieces, allowed: BPE without, as in RoBERTa"
        )
    vocabulary = _pieces(state["model"])
    names = {i: piece for piece, i in vocabulary.items()}
    byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)] if state["model"].get("byte_fallback") else []
    inside = {i for i in map(vocabulary.get, byte_pieces) if i is not None}
    for piece in [names[i] for i in used if i in names]:
        parts = (piece[a:b] for a in range(len(piece)) for b in range(a + 1, len(piece) + 1))
        inside |= {vocabulary[part] for part in parts if part in vocabulary}
    return used | inside


def _with_word_piece(state: dict, used: set[int], tokenizer, unknown: set[str]) -> set[int]:
    """Kept ids of a WordPiece model: what the texts use, and every piece inside a text with an unknown token.

    The tokens of these texts do not change: of a word's rest the longest piece that begins it is taken; that piece is
    kept, and no longer one is new. A word that is unknown is so because no piece continues it: with fewer pieces, what
    was taken up to there must still be taken, or another way through the word might open.
    """
    vocabulary, prefix = _pieces(state["model"]), state["model"]["continuing_subword_prefix"]
    backend = tokenizer.backend_tokenizer
    inside: set[int] = set()
    for text in unknown:
        plain = backend.normalizer.normalize_str(text) if backend.normalizer else text
        for word in plain.split():
            parts = {word[a:b] for a in range(len(word)) for b in range(a + 1, len(word) + 1)}
            inside |= {vocabulary[p] for part in parts for p in (part, prefix + part) if p in vocabulary}
    return used | inside


KEEP: dict[str, Callable] = {"Unigram": _with_unigram, "BPE": _with_bpe, "WordPiece": _with_word_piece}


def kept_ids(tokenizer, texts: set[Text]) -> np.ndarray:
    """Ids that a tokenizer needs for some texts to keep their tokens, in ascending order.

    Raises VocabularyError for a kind of model that is not known.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = state["model"]["type"]
    if kind not in KEEP:
        raise VocabularyError(f"tokenizer is a {kind} model, allowed: {', '.join(KEEP)}")
    used, unknown = set(), set()
    for text, ids in tokenise(tokenizer, texts):
        used.update(ids)
        if tokenizer.unk_token_id in ids:
            unknown.update(text if isinstance(text, tuple) else [text])
    special = {entry["id"] for entry in state["added_tokens"]} | set(tokenizer.all_special_ids)
    return np.array(sorted(KEEP[kind](state, used | special, tokenizer, unknown)))


def cut_tokenizer(tokenizer, kept: np.ndarray):
    """A tokenizer of the kept ids, renumbered in their order."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    new = {int(old): i for i, old in enumerate(kept)}
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for i, entry in enumerate(model["vocab"]) if i in new]
        model["unk_id"] = new.get(model["unk_id"])
    else:
        model["vocab"] = {piece: new[i] for piece, i in model["vocab"].items() if i in new}
    if model["type"] == "BPE":
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [[a, b] for a, b in pairs if {a, b, a + b} <= model["vocab"].keys()]
    for entry in state["added_tokens"]:
        entry["id"] = new[entry["id"]]
    state["truncation"] = state["padding"] = None
    _renumber(state["post_processor"], new)
    cut = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        **tokenizer.special_tokens_map,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
    )
    names = tokenizer.convert_ids_to_tokens(kept.tolist())
    if len(cut) != len(kept) or cut.convert_ids_to_tokens(list(range(len(kept)))) != names:
        raise VocabularyError(f"tokenizer: {len(kept)} kept pieces became {len(cut)} in another order")
    return cut


def _renumber(processor: dict | None, new: dict[int, int]) -> None:
    """Renumber the special tokens that a post-processor adds."""
    if processor is None:
        return
    for inner in processor.get("processors", []):
        _renumber(inner, new)
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[i] for i in token["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            processor[name] = [processor[name][0], new[processor[name][1]]]


def cut(encoder: Encoder, texts: set[Text]) -> tuple[Encoder, np.ndarray]:
    """The encoder with the vocabulary of some texts only, and the old id of every new one.

    Raises VocabularyError if the tokens of a text would be others.
    """
    import torch

    kept = kept_ids(encoder.tokenizer, texts)
    tokenizer = cut_tokenizer(encoder.tokenizer, kept)
    new = {int(old): i for i, old in enumerate(kept)}
    before, after = tokenise(encoder.tokenizer, texts), tokenise(tokenizer, texts)
    for (text, ids), (_, renumbered) in zip(before, after, strict=True):
        if [new.get(i) for i in ids] != renumbered:
            raise VocabularyError(f"tokens of {text!r} would change: {ids} would become {kept[renumbered].tolist()}")
    config = type(encoder.model.config).from_dict(encoder.model.config.to_dict())
    config.vocab_size = len(kept)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if (old := getattr(config, name, None)) is not None:
            setattr(config, name, new.get(old))
    config._attn_implementation = encoder.model.config._attn_implementation
    model = type(encoder.model)(config, add_pooling_layer=False)
    state = encoder.model.state_dict()
    words = next(name for name in state if name.endswith("word_embeddings.weight"))
    model.load_state_dict(state | {words: state[words][torch.from_numpy(kept)]})
    smaller = Encoder(encoder.spec, model.to(encoder.model.device).eval(), tokenizer)
    smaller.model.embeddings.requires_grad_(False)
    return smaller, kept


def largest_difference(a: Encoder, b: Encoder, texts: list[str]) -> float:
    """Largest absolute difference of the last hidden states of two encoders over some texts, as one padded batch."""
    import torch

    states = []
    for encoder in (a, b):
        batch = encoder.tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
        with torch.inference_mode():
            states.append(encoder.model(**batch.to(encoder.model.device)).last_hidden_state)
    return float((states[0] - states[1]).abs().max())
