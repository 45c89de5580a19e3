"""Tiny random encoders of many families, in a folder as one from the hub is."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "days", "later", "it", "was", "sold", "new")


class Own:
    """A folder with an encoder, which tests may change."""

    def __init__(self, folder, tokenizer):
        self.folder, self.tokenizer = folder, tokenizer

    def write(self, kind: str, **settings):
        """A model of a family, with random weights and byte tokens; returns the folder's name."""
        from transformers import AutoConfig, AutoModel

        sizes = SIZES | {"vocab_size": len(self.tokenizer), "max_position_embeddings": 66, "pad_token_id": 1}
        config = AutoConfig.for_model(kind, **sizes | settings)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModel.from_config(config).save_pretrained(self.folder)
        self.tokenizer.save_pretrained(self.folder)
        return str(self.folder)

    def vocabulary(self, *words: str):
        """Put a `vocab.txt` alone in the tokenizer's place."""
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "vocab.txt").write_text("\n".join((*WORDS, *words)) + "\n", encoding="utf8")

    def configure(self, file: str = "config.json", **fields):
        path = self.folder / file
        before = json.loads(path.read_text(encoding="utf8")) if path.exists() else {}
        path.write_text(json.dumps(before | fields), encoding="utf8")

    def tensors(self, change):
        """Rewrite the weights as what a function makes of them."""
        file = self.folder / "model.safetensors"
        save_file(change(load_file(file)), file, metadata={"format": "pt"})


@pytest.fixture
def own(tokenizer, tmp_path):
    return Own(tmp_path / "own", tokenizer)
