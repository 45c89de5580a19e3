"""Pretrained encoders: packaged, from the hub or a local folder, and a tiny random one for tests."""

import os
from dataclasses import dataclass
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.models import e5_small, families, folders, hardware, packed_weights
from stilts_utils.study import whole
from stilts_utils.study.settings import EncoderSpec, cache_folder

RANDOM_WARNING = "a tiny random encoder: it tests the machinery and says nothing about language"


@dataclass
class Encoder:
    """A `transformers` encoder without pooler, in evaluation mode, and its fast tokenizer."""

    spec: EncoderSpec
    model: "torch.nn.Module"  # noqa: F821 - torch is imported only when an encoder is loaded
    tokenizer: "transformers.PreTrainedTokenizerFast"  # noqa: F821

    @property
    def family(self) -> families.Family:
        return families.FAMILIES[self.model.config.model_type]

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
        return config.max_position_embeddings - (config.pad_token_id + 1 if self.family.after_padding else 0)

    def trainable(self) -> dict:
        """Name -> parameter that training changes: all but the embeddings, which stay frozen."""
        return {name: p for name, p in self.model.named_parameters() if not name.startswith("embeddings.")}


def load(spec: EncoderSpec, attention: str = "sdpa", tokenizer=None) -> Encoder:
    """Load an encoder in float32 with frozen embeddings.

    A `tokenizer` is that of an earlier load of the same encoder: it is not read again, nor is the self-check repeated.
    Raises WeightsError, naming the next command, if weights are missing, truncated or corrupted, if the encoder is of
    another family than `families.FAMILIES`, or if the self-check fails (`admission`).
    """
    from transformers import AutoModel, PreTrainedConfig
    from transformers.utils import logging

    from stilts_utils.models import admission

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it reports every weight of the layers that are left out; all are checked below
    folder = _folder(spec)
    try:
        family = families.of(settings := PreTrainedConfig.get_config_dict(folder)[0], spec.name)
        depth = {} if spec.layers is None else {"num_hidden_layers": spec.layers}
        model, loading = AutoModel.from_pretrained(
            folder,
            add_pooling_layer=False,
            use_safetensors=True,
            attn_implementation=attention,
            dtype="float32",
            output_loading_info=True,
            **depth,
        )
        known = tokenizer is not None
        if not known:
            tokenizer = _tokenizer(spec, folder)
    except e5_small.WeightsError:
        raise
    except Exception as error:  # transformers and safetensors raise many types for the same causes
        next_step = (
            "check the hub id and the network, and run `HF_HUB_OFFLINE=0 make study`: commands are offline otherwise"
        )
        if os.path.isdir(folder):
            ours = cache_folder() in Path(folder).parents
            next_step = "remove that folder and run again" if ours else "copy its files again from where they are from"
        raise e5_small.WeightsError(
            f"encoder {spec.name!r}: weights could not be loaded from {folder} ({type(error).__name__}: {error}); {next_step}"
        ) from error
    loaded = Encoder(spec, model.eval().to(hardware.device()), tokenizer)
    admission.weights(spec.name, loading, settings.get("num_hidden_layers", loaded.layers), spec.layers)
    if not known:
        admission.tokenizer(spec.name, tokenizer, model.config, family)
        admission.forms(spec.name, model, tokenizer, family, loaded.longest)
    model.embeddings.requires_grad_(False)
    return loaded


def _folder(spec: EncoderSpec) -> Path | str:
    """The folder of an encoder in the form of `transformers`, or its hub id."""
    own = ROOT / spec.name
    if spec.name == "packaged":
        return _cached(f"multilingual-e5-small-{e5_small.made_by()}", _write_packaged)
    if spec.name == "random":
        return _cached(f"random-{e5_small.made_by()}", _write_random)
    if (own / packed_weights.FILE).is_file():
        return _cached(f"packed-{packed_weights.digest(own)}", lambda place: packed_weights.restore(own, place))
    if not own.is_dir():
        return spec.name
    if said := folders.fault(own):
        raise e5_small.WeightsError(f"encoder {spec.name!r}: weights could not be loaded from {own}: {said}")
    return own


def _tokenizer(spec: EncoderSpec, folder: Path | str):
    """A fast tokenizer. If a folder has nothing but a vocabulary that tells capitals apart, text keeps its capitals."""
    from transformers import AutoTokenizer
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    from stilts_utils.models import admission

    if spec.name in ("packaged", "random"):  # with our special tokens
        return e5_small.wrap_tokenizer(tokenizer_file=str(folder / "tokenizer.json"))
    read = AutoTokenizer.from_pretrained(folder)
    unsaid = "do_lower_case" not in get_tokenizer_config(folder) and not os.path.isfile(f"{folder}/tokenizer.json")
    if unsaid and os.path.isdir(folder) and read.is_fast and admission.lower_cases(read) and admission.cased(read):
        return AutoTokenizer.from_pretrained(folder, do_lower_case=False)
    return read


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
