"""The self-check of an encoder that is loaded: its file, its tokenizer, and the forms in which it computes.

Nothing that a file or a tokenizer holds may be dropped or be made up in silence. Two short texts are enough for the rest,
because a wrong form differs on every text.
"""

import re

import torch

from stilts_utils.models import early_exit, heads
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.families import Family

# English, the language of all training: no tokenizer that can be trained here lacks a piece of it. Of two lengths, so
# that the shorter one is padded.
TEXTS = ("Ten days later it was sold.", "It was new.")
# Tensors that an encoder does not need: the pooler, a buffer of earlier versions, the heads of masked-language models.
UNUSED = re.compile(r"(^|\.)(pooler\.|position_ids$)|^(cls|lm_head)\.")
LAYER = re.compile(r"(?:^|\.)encoder\.layer\.(\d+)\.")
CASED = 0.01  # the share of pieces with capitals above which a vocabulary tells them apart
TOLERANCE = 1e-4  # of a state, relative to the largest one: float32 in another order of summation stays far below


def weights(name: str, loading: dict, layers: int, kept: int | None) -> None:
    """Check that the file has every weight of the model, and that the model uses every tensor of the file.

    `loading` is the report of `from_pretrained`, `layers` the depth in config.json, `kept` the first layers that are
    kept, None for all. Raises WeightsError.
    """
    if missing := sorted(loading["missing_keys"]):  # transformers leaves them random
        said = f"fewer than {kept} layers" if kept and LAYER.search(missing[0]) else "not all weights"
        raise WeightsError(f"encoder {name!r}: has {said} ({_some(missing)} are missing)")
    cut = range(layers if kept is None else kept, layers)
    extra = [key for key in sorted(loading["unexpected_keys"]) if not UNUSED.search(key) and _layer(key) not in cut]
    if extra:
        deeper = [key for key in extra if (_layer(key) or 0) >= layers]
        why = (
            f"it has more layers than num_hidden_layers in config.json, {layers}; correct it"
            if len(deeper) == len(extra)
            else "adapters, LoRA or relative positions would be dropped: merge them into the weights, or take an encoder "
            "without; of a fine-tuned model save the encoder alone"
        )
        raise WeightsError(
            f"encoder {name!r}: its file has weights that the model does not use ({_some(extra)}): {why}"
        )


def tokenizer(name: str, read, config, family: Family) -> None:
    """Check a tokenizer alone and against the encoder's configuration. Raises WeightsError."""

    def refuse(said: str) -> None:
        raise WeightsError(f"encoder {name!r}: {said}")

    if not read.is_fast:
        refuse("no fast tokenizer (tokenizer.json)")
    if lower_cases(read) and cased(read):
        refuse(
            "its tokenizer lower-cases text, but its vocabulary tells capitals apart; set `do_lower_case` to false in "
            "tokenizer_config.json, or take out the lower-casing normalizer of tokenizer.json"
        )
    if len(read) > config.vocab_size or len(read) < 0.9 * config.vocab_size:
        refuse(
            f"its tokenizer has {len(read)} tokens and its model {config.vocab_size}: they are not of one encoder; copy "
            "the tokenizer files from where the weights are from"
        )
    if family.after_padding and read.pad_token_id != config.pad_token_id:
        refuse(
            f"pad_token_id of the tokenizer is {read.pad_token_id} and of the model {config.pad_token_id}, from which it "
            "counts positions; correct config.json or tokenizer_config.json"
        )
    for text, ids in zip(TEXTS, read(list(TEXTS))["input_ids"], strict=True):
        if (ids[0], ids[-1]) != (read.cls_token_id, read.sep_token_id):
            refuse(f"its tokenizer does not put its special tokens around {text!r}: it gives {_pieces(read, ids)}")
        if len(ids) < 3 or read.unk_token_id in ids:
            refuse(
                f"its tokenizer does not know {text!r}: it gives {_pieces(read, ids)}; its vocabulary files are missing or "
                "of another encoder, or text is not lower-cased as they are (`do_lower_case` in tokenizer_config.json)"
            )


def lower_cases(read) -> bool:
    """Whether a fast tokenizer lower-cases text before it looks pieces up."""
    normalizer = read.backend_tokenizer.normalizer
    return normalizer is not None and normalizer.normalize_str("A") == "a"


def cased(read) -> bool:
    """Whether the vocabulary of a tokenizer has pieces with capitals, apart from special and added ones."""
    special = {*read.all_special_tokens, *read.get_added_vocab()}
    pieces = [piece for piece in read.get_vocab() if piece not in special and not piece.startswith("[")]
    return sum(bool(re.search("[A-Z]", piece)) for piece in pieces) > CASED * len(pieces)


@torch.inference_mode()
def forms(name: str, model, read, family: Family, longest: int) -> None:
    """Check on two short texts, of which one is padded, that every form in which the encoder computes gives the same.

    These are eager and SDPA attention and, in a family that can, one layer after another as early exit does. Also that
    states are finite and that there is a position for each of `longest` tokens. Raises WeightsError.
    """
    inputs = heads.encoder_inputs(model, read(list(TEXTS), padding=True, return_tensors="pt"))
    kept, attention = inputs["attention_mask"].bool(), model.config._attn_implementation
    model.set_attn_implementation("eager")
    expected = model(**inputs).last_hidden_state[kept]
    if not expected.isfinite().all():
        raise WeightsError(f"encoder {name!r}: its states are not finite; its weights are damaged: copy them again")
    model.set_attn_implementation("sdpa")
    found = {"SDPA attention": model(**inputs).last_hidden_state}
    if family.walks:
        found["one layer after another"] = early_exit.walk(model, inputs)
    model.set_attn_implementation(attention)
    for form, states in found.items():
        difference = float((states[kept] - expected).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
            raise WeightsError(
                f"encoder {name!r}: states by {form} differ from eager attention's by {difference:.2g}; take an encoder "
                "whose config.json has only the settings of its family"
            )
    try:
        model.embeddings(input_ids=inputs["input_ids"][:1, :1].expand(1, longest).contiguous())
    except (IndexError, RuntimeError) as error:
        raise WeightsError(
            f"encoder {name!r}: it has no positions for {longest} tokens; correct max_position_embeddings in config.json"
        ) from error


def _layer(key: str) -> int | None:
    found = LAYER.search(key)
    return int(found[1]) if found else None


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def _pieces(read, ids: list[int]) -> str:
    return " ".join(map(str, read.convert_ids_to_tokens(ids)))
