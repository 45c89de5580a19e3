"""Sizes of encoders, known without downloading one, and the operations that they cost."""

import json
from dataclasses import dataclass

from stilts_utils import ROOT


@dataclass(frozen=True)
class Sizes:
    """The shape of a BERT or RoBERTa encoder without pooler. `intermediate`: width inside the feed-forward part."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    positions: int = 514
    types: int = 1

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"encoder {name} is {value}, allowed: 1 or more")

    @property
    def trained(self) -> int:
        """Parameters outside the embeddings, which stay frozen: four square matrices and two wide ones a layer."""
        h, f = self.hidden, self.intermediate
        return self.layers * (4 * h * h + 2 * h * f + 9 * h + f)

    @property
    def parameters(self) -> int:
        """All parameters, with the embeddings and their LayerNorm."""
        return self.trained + (self.vocabulary + self.positions + self.types + 2) * self.hidden

    def forward(self, tokens: float, length: float) -> float:
        """Floating-point operations of a forward pass over `tokens` tokens in sequences of `length` tokens.

        2 a parameter outside the embeddings and token (Kaplan et al. 2020, section 2.1), and 4 * layers * length *
        hidden a token for attention over the whole sequence: 2 * length * hidden for the scores and as many for the
        weighted sum (Hoffmann et al. 2022, appendix F). Looking embeddings up costs none.
        """
        return tokens * (2 * self.trained + 4 * self.layers * length * self.hidden)

    def training(self, tokens: float, length: float) -> float:
        """Operations of training steps: the backward pass costs twice the forward pass (Kaplan et al. 2020)."""
        return 3 * self.forward(tokens, length)


# From the encoders' published `config.json`.
KNOWN = {
    "packaged": Sizes(12, 384, 1536, 250_037, 512, 2),
    "random": Sizes(2, 32, 64, 261, 512, 2),
    "FacebookAI/xlm-roberta-base": Sizes(12, 768, 3072, 250_002),
    "FacebookAI/xlm-roberta-large": Sizes(24, 1024, 4096, 250_002),
    "facebook/xlm-roberta-xl": Sizes(36, 2560, 10_240, 250_880),
    "google-bert/bert-base-multilingual-cased": Sizes(12, 768, 3072, 119_547, 512, 2),
    "microsoft/Multilingual-MiniLM-L12-H384": Sizes(12, 384, 1536, 250_037, 512, 2),
    "intfloat/multilingual-e5-small": Sizes(12, 384, 1536, 250_037, 512, 2),
    "intfloat/multilingual-e5-base": Sizes(12, 768, 3072, 250_002),
    "intfloat/multilingual-e5-large": Sizes(24, 1024, 4096, 250_002),
}
FIELDS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
}


def of_config(config) -> Sizes:
    """Sizes of a loaded encoder, from its configuration in transformers."""
    return Sizes(**{name: getattr(config, key) for name, key in FIELDS.items()})


def of(encoder: str, **given: int | None) -> Sizes:
    """Sizes of an encoder by its name in a study file: as given, or from the table or a folder's `config.json`.

    Raises ValueError for an unknown hub id whose sizes are not given, naming the options that give them.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if encoder in KNOWN:
        return Sizes(**vars(KNOWN[encoder]) | given)
    file = ROOT / encoder / "config.json"
    known = {}
    if file.is_file():
        config = json.loads(file.read_text(encoding="utf8"))
        known = {name: config[key] for name, key in FIELDS.items() if key in config}
    needed = {"layers", "hidden", "intermediate", "vocabulary"}
    if missing := sorted(needed - (known | given).keys()):
        options = " ".join(f"--{name} N" for name in missing)
        raise ValueError(
            f"encoder is {encoder!r}, whose sizes are not known without downloading it, allowed: {', '.join(KNOWN)}, "
            f"or a folder with config.json; give the sizes that its config.json on the hub names: {options}"
        )
    return Sizes(**known | given)
