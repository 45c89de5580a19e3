import pytest
import torch

from stilts_utils.models import admission, early_exit, families
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.encoder import load
from stilts_utils.study.settings import EncoderSpec

pytest_plugins = ["tests.own_encoders"]


def add(own, *names):
    own.tensors(lambda tensors: tensors | {name: torch.ones(2, 2) for name in names})


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.0.attention.self.distance_embedding.weight",
        "encoder.layer.1.output.adapters.de.adapter_down.0.weight",
        "encoder.layer.0.attention.self.query.lora_A.default.weight",
        "base_model.model.encoder.layer.0.attention.self.query.lora_B.weight",
        "encoder.layer.0.attention.self.query.weight_scale",
        "invertible_adapters.de.F.0.weight",
        "embeddings.task_type_embeddings.weight",
        "classifier.weight",
    ],
)
def test_a_tensor_that_the_model_does_not_use_is_refused_and_named(own, name):
    own.write("bert")
    add(own, name)
    with pytest.raises(WeightsError, match=f"weights that the model does not use .*{name}.*would be dropped"):
        load(EncoderSpec(str(own.folder)))


def test_poolers_position_ids_and_heads_of_language_models_are_not_needed(own):
    own.write("xlm-roberta")
    add(own, "pooler.dense.weight", "roberta.pooler.dense.bias", "embeddings.position_ids", "lm_head.dense.weight")
    add(own, "cls.predictions.bias", "cls.seq_relationship.weight")
    assert load(EncoderSpec(str(own.folder))).layers == 2


def test_more_layers_in_the_file_than_in_the_configuration_are_refused(own):
    name = own.write("bert")
    own.configure(num_hidden_layers=1)
    with pytest.raises(WeightsError, match="more layers than num_hidden_layers in config.json, 1; correct it"):
        load(EncoderSpec(name))
    own.configure(num_hidden_layers=2)
    assert load(EncoderSpec(name, layers=1)).layers == 1


def test_an_unused_tensor_is_seen_in_fewer_layers_too(own):
    name = own.write("bert")
    add(own, "encoder.layer.0.output.adapters.de.adapter_up.weight")
    with pytest.raises(WeightsError, match="adapter_up"):
        load(EncoderSpec(name, layers=1))


CASED = ("Ten", "It")


def test_a_vocabulary_with_capitals_alone_is_read_with_capitals(own):
    own.write("bert", vocab_size=14)
    own.vocabulary(*CASED)
    loaded = load(EncoderSpec(str(own.folder)))
    assert loaded.tokenizer.tokenize(admission.TEXTS[0]) == ["Ten", "days", "later", "it", "was", "sold", "."]
    own.configure("tokenizer_config.json", tokenizer_class="BertTokenizer", model_max_length=512)
    assert load(EncoderSpec(str(own.folder))).tokenizer.tokenize("It was") == ["It", "was"]


def test_a_vocabulary_without_capitals_alone_is_read_without(own):
    own.write("bert", vocab_size=13)
    own.vocabulary("ten")
    assert load(EncoderSpec(str(own.folder))).tokenizer.tokenize("Ten Days") == ["ten", "days"]


def test_lower_casing_for_a_vocabulary_with_capitals_is_refused(own):
    own.write("bert", vocab_size=16)
    own.vocabulary(*CASED, "ten", "[CAP]")
    own.configure("tokenizer_config.json", do_lower_case=True)
    with pytest.raises(
        WeightsError, match="lower-cases text, but its vocabulary tells capitals apart; set `do_lower_case`"
    ):
        load(EncoderSpec(str(own.folder)))


def test_text_that_is_not_lower_cased_for_a_vocabulary_without_capitals_is_refused(own):
    own.write("bert", vocab_size=13)
    own.vocabulary("ten")
    own.configure("tokenizer_config.json", do_lower_case=False)
    with pytest.raises(WeightsError, match=r"does not know 'Ten days .*\[UNK\] days .*`do_lower_case`"):
        load(EncoderSpec(str(own.folder)))


def test_a_tokenizer_of_another_encoder_is_refused(own, tokenizer):
    for size in (len(tokenizer) - 1, 2 * len(tokenizer)):
        own.write("bert", vocab_size=size)
        said = f"its tokenizer has {len(tokenizer)} tokens and its model {size}: they are not of one encoder"
        with pytest.raises(WeightsError, match=said):
            load(EncoderSpec(str(own.folder)))


def test_padding_that_positions_are_not_counted_from_is_refused(own):
    with pytest.raises(
        WeightsError, match="pad_token_id of the tokenizer is 1 and of the model 0, from which it counts"
    ):
        load(EncoderSpec(own.write("xlm-roberta", pad_token_id=0)))
    assert load(EncoderSpec(own.write("bert", pad_token_id=0))).longest == 66


def test_a_tokenizer_without_special_tokens_is_refused(own):
    from tokenizers import Tokenizer, processors

    own.write("bert")
    file = own.folder / "tokenizer.json"
    bare = Tokenizer.from_file(str(file))
    bare.post_processor = processors.Sequence([])
    bare.save(str(file))
    with pytest.raises(WeightsError, match="does not put its special tokens around 'Ten days"):
        load(EncoderSpec(str(own.folder)))


@pytest.mark.parametrize("kind", [kind for kind, family in families.FAMILIES.items() if family.walks])
def test_one_layer_after_another_gives_the_last_hidden_states(own, kind):
    loaded = load(EncoderSpec(own.write(kind)))
    inputs = loaded.tokenizer(["a longer text", "short"], padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        walked, whole = early_exit.walk(loaded.model, inputs), loaded.model(**inputs).last_hidden_state
    kept = inputs["attention_mask"].bool()
    torch.testing.assert_close(walked[kept], whole[kept])


def test_a_family_that_cannot_walk_would_be_caught(own, monkeypatch):
    name = own.write("xlm-roberta-xl")
    monkeypatch.setitem(families.FAMILIES, "xlm-roberta-xl", families.Family(after_padding=True))
    with pytest.raises(WeightsError, match="states by one layer after another differ from eager attention's by"):
        load(EncoderSpec(name))


def test_attention_that_differs_from_eager_is_caught(own, monkeypatch):
    from transformers.models.bert import modeling_bert

    name = own.write("bert")
    plain = modeling_bert.eager_attention_forward
    monkeypatch.setattr(modeling_bert, "eager_attention_forward", lambda *a, **k: [2 * plain(*a, **k)[0], None])
    with pytest.raises(WeightsError, match="states by SDPA attention differ from eager attention's by"):
        load(EncoderSpec(name))


def test_weights_that_are_not_finite_are_caught(own):
    name = own.write("bert")
    own.tensors(lambda tensors: tensors | {"embeddings.LayerNorm.bias": torch.full((32,), torch.nan)})
    with pytest.raises(WeightsError, match="states are not finite; its weights are damaged"):
        load(EncoderSpec(name))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_check_leaves_the_encoder_as_it_was_asked_for(own, attention):
    loaded = load(EncoderSpec(own.write("bert")), attention)
    assert loaded.model.config._attn_implementation == attention
    assert not loaded.model.training and not any(p.grad is not None for p in loaded.model.parameters())


def test_a_second_copy_is_not_checked_again(own, monkeypatch):
    loaded = load(EncoderSpec(own.write("bert")))
    monkeypatch.setattr(admission, "forms", lambda *_: pytest.fail("checked again"))
    assert load(loaded.spec, tokenizer=loaded.tokenizer).layers == 2
