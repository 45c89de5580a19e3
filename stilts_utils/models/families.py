"""The families of encoders that a study takes, by `model_type`, and settings that a family would drop in silence.

What is listed was compared with `transformers` itself: see `admission`, which every encoder that is loaded must pass.
"""

from dataclasses import dataclass

from stilts_utils.models.e5_small import WeightsError


@dataclass(frozen=True)
class Family:
    """One `model_type` of config.json.

    `after_padding`: positions count from the one after the padding token's, so that 514 of them are for 512 tokens.
    `walks`: computing one layer after another gives the last hidden states, which early exit needs.
    """

    after_padding: bool = False
    walks: bool = True


FAMILIES = {
    "bert": Family(),
    "ernie": Family(),
    "roberta": Family(after_padding=True),
    "xlm-roberta": Family(after_padding=True),
    "camembert": Family(after_padding=True),
    "data2vec-text": Family(after_padding=True),
    "xlm-roberta-xl": Family(after_padding=True, walks=False),  # a LayerNorm follows its last layer
}
# Families that look alike. Any other that is not listed above is refused, too.
REFUSED = {
    "xmod": "it reads every language through an adapter of its own, and would read all of them by that of its "
    "`default_language`",
    "mpnet": "it has no SDPA attention, which most engines and every evaluation use, and its layers share positions",
    "rembert": "it has no SDPA attention, and embeddings of another width than its layers",
    "albert": "its layers are one layer computed several times, and its embeddings have another width",
    "electra": "its embeddings have a projection of their own, and may have another width than its layers",
    "megatron-bert": "it has no SDPA attention, and normalises before its layers",
    "big_bird": "its attention depends on the length of a text",
}
# Field of config.json -> what it may be, and what would happen otherwise.
SETTINGS = {
    "position_embedding_type": ((None, "absolute"), "positions of another kind are no longer computed, but dropped"),
    "is_decoder": ((None, False), "a decoder reads from left to right"),
    "add_cross_attention": ((None, False), "there is nothing to attend to"),
    "quantization_config": ((None, {}), "weights are trained in float32 or bfloat16; save them in float32"),
}


def of(config: dict, name: str) -> Family:
    """The family of an encoder from the content of its config.json. Raises WeightsError for one that is not taken."""
    kind = config.get("model_type")
    if kind not in FAMILIES:
        reason = f": {REFUSED[kind]}" if kind in REFUSED else ""
        raise WeightsError(
            f"encoder {name!r}: model_type in config.json is {kind!r}, of a kind that is not known here{reason}; allowed: "
            f"{', '.join(FAMILIES)}; change the field `encoder`"
        )
    for field, (allowed, otherwise) in SETTINGS.items():
        if config.get(field) not in allowed:
            raise WeightsError(
                f"encoder {name!r}: {field} in config.json is {config[field]!r}, allowed: {allowed[1]!r} or none: "
                f"{otherwise}; take another encoder"
            )
    if "AutoModel" in (config.get("auto_map") or {}):
        raise WeightsError(
            f"encoder {name!r}: config.json names a model of its own code (auto_map), which is not run here, and plain "
            f"{kind} may compute something else; take an encoder without code, or, if its model is plain {kind}, "
            "take `auto_map` out of a copy of config.json"
        )
    return FAMILIES[kind]
