"""Pretrained encoders: packaged, from the hub or a local folder, and a tiny random one for tests."""

import os
from dataclasses import dataclass
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.models import e5_small, hardware, packed_weights
from stilts_utils.study import whole
from stilts_utils.study.settings import EncoderSpec, cache_folder

KINDS = "encoders shaped like BERT, RoBERTa or XLM-R (`model_type` in config.json)"
RANDOM_WARNING = "a tiny random encoder: it tests the machinery and says nothing about language"


@dataclass
class Encoder:
    """A `transformers` encoder without pooler, in evaluation mode, and its fast tokenizer."""

    spec: EncoderSpec
    model: "torch.nn.Module"  # noqa: F821 - torch is imported only when an encoder is loaded
    tokenizer: "transformers.PreTrainedTokenizerFast"  # noqa: F821

    @property
    def layers(self) -> int:
        return self.model.config.num_hidden_layers

    @property
    def hidden(self) -> int:
        return self.model.config.hidden_size

    @property
    def longest(self) -> int:
        """Most tokens of a sequence that it has positions for."""
        config = self.model.config
        # RoBERTa counts positions from the one after padding.
        counted = config.pad_token_id + 1 if "roberta" in config.model_type else 0
        return config.max_position_embeddings - counted

    def trainable(self) -> dict:
        """Name -> parameter that training changes: all but the embeddings, which stay frozen."""
        return {name: p for name, p in self.model.named_parameters() if not name.startswith("embeddings.")}


def load(spec: EncoderSpec, attention: str = "sdpa", tokenizer=None) -> Encoder:
    """Load an encoder in float32 with frozen embeddings. A `tokenizer` that is already loaded saves reading it again.

    Raises WeightsError if weights are missing, truncated or corrupted, naming the next command.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it reports every weight of the layers that are left out; missing ones are checked below
    folder = ROOT / spec.name if (ROOT / spec.name).is_dir() else spec.name
    made_here = spec.name in ("packaged", "random")
    if spec.name == "packaged":
        folder = _cached("multilingual-e5-small", _write_packaged)
    elif spec.name == "random":
        folder = _cached("random", _write_random)
    elif (ROOT / spec.name / packed_weights.FILE).is_file():
        packed = ROOT / spec.name
        folder = _cached(f"packed-{packed_weights.digest(packed)}", lambda place: packed_weights.restore(packed, place))
    depth = {} if spec.layers is None else {"num_hidden_layers": spec.layers}
    try:
        model, loading = AutoModel.from_pretrained(
            folder,
            add_pooling_layer=False,
            use_safetensors=True,
            attn_implementation=attention,
            dtype="float32",
            output_loading_info=True,
            **depth,
        )
        if tokenizer is None and made_here:  # with our special tokens
            tokenizer = e5_small.wrap_tokenizer(tokenizer_file=str(folder / "tokenizer.json"))
        elif tokenizer is None:
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # transformers and safetensors raise many types for the same causes
        if isinstance(error, TypeError) and "add_pooling_layer" in str(error):
            raise e5_small.WeightsError(
                f"encoder {spec.name!r} is of a kind that is not known here, allowed: {KINDS}; change the field `encoder`"
            ) from error
        next_step = (
            "remove that folder and run again"
            if os.path.isdir(folder)
            else "check the hub id and the network, and run `HF_HUB_OFFLINE=0 make study`: commands are offline otherwise"
        )
        raise e5_small.WeightsError(
            f"encoder {spec.name!r}: weights could not be loaded from {folder} ({type(error).__name__}: {error}); {next_step}"
        ) from error
    if not tokenizer.is_fast:
        raise e5_small.WeightsError(f"encoder {spec.name!r}: no fast tokenizer (tokenizer.json) in {folder}")
    if loading["missing_keys"]:  # transformers would leave them random
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        said = f"fewer than {spec.layers} layers" if spec.layers else "not all weights"
        raise e5_small.WeightsError(f"encoder {spec.name!r}: has {said} ({missing}, ... are missing)")
    model.embeddings.requires_grad_(False)
    return Encoder(spec, model.eval().to(hardware.device()), tokenizer)


def _cached(name: str, write) -> Path:
    """The folder of an encoder made here, whole or absent."""
    folder = cache_folder() / name
    if not folder.is_dir():
        with whole.folder(folder, shared=True) as temporary:
            write(temporary)
    return folder


def _write_packaged(folder: Path) -> None:
    content = e5_small.read(e5_small.weights_path())
    e5_small.build_model(content).save_pretrained(folder)
    e5_small.build_tokenizer(content).save_pretrained(folder)


def _write_random(folder: Path) -> None:
    """Two small layers with random weights over UTF-8 bytes."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    tokens = [*e5_small.SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)]
    )
    e5_small.wrap_tokenizer(tokenizer_object=tokenizer).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
