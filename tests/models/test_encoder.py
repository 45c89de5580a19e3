import shutil

import pytest
import torch

from stilts_utils.models import e5_small, encoder
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.encoder import load
from stilts_utils.study.settings import EncoderSpec, cache_folder

RANDOM = f"random-{e5_small.made_by()}"  # name of its folder


def ids_of(loaded, text="ten days"):
    return torch.tensor([loaded.tokenizer(text)["input_ids"]])


@torch.inference_mode()
def states(loaded, text="ten days"):
    return loaded.model(input_ids=ids_of(loaded, text)).last_hidden_state


@pytest.fixture
def stored(tiny_encoder, tmp_path):
    """The random encoder in a local folder."""
    folder = tmp_path / "own"
    tiny_encoder.model.save_pretrained(folder)
    tiny_encoder.tokenizer.save_pretrained(folder)
    return folder


def test_the_random_encoder_is_the_same_every_time(tmp_path, monkeypatch, tiny_encoder):
    before = torch.random.get_rng_state()
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path))  # made anew
    again = load(EncoderSpec("random"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (tmp_path / RANDOM / "model.safetensors").is_file()
    for name, weights in tiny_encoder.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weights), name
    assert (again.layers, again.hidden) == (2, 32)


def test_the_random_tokenizer_takes_any_text(tokenizer):
    text = "naïve 東京 <mask>"
    ids = tokenizer(text)["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) == (0, 2)
    assert tokenizer.unk_token_id not in ids and tokenizer.mask_token_id in ids
    assert [i for i in tokenizer("a", "b")["input_ids"] if i < 5] == [0, 2, 2, 2]
    assert tokenizer.pad_token_id == 1


def test_an_encoder_is_loaded_in_evaluation_mode_and_float32(tiny_encoder):
    assert not tiny_encoder.model.training
    assert {p.dtype for p in tiny_encoder.model.parameters()} == {torch.float32}
    assert tiny_encoder.model.pooler is None


def test_embeddings_are_frozen_and_the_rest_is_trainable(tiny_encoder):
    trainable = tiny_encoder.trainable()
    named = dict(tiny_encoder.model.named_parameters())
    assert set(named) - set(trainable) == {name for name, p in named.items() if not p.requires_grad}
    assert all(name.startswith("encoder.layer.") for name in trainable)
    assert all(named[name] is parameter for name, parameter in trainable.items())
    assert any(name.startswith("embeddings.word") for name in named)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_kinds_of_attention_give_the_same_states(attention, tiny_encoder):
    other = load(EncoderSpec("random"), attention)
    assert other.model.config._attn_implementation == attention
    torch.testing.assert_close(states(other), states(tiny_encoder), atol=1e-5, rtol=1e-5)


def test_the_first_layers_of_an_encoder(tiny_encoder):
    shallow = load(EncoderSpec("random", layers=1))
    assert shallow.layers == len(shallow.model.encoder.layer) == 1
    with torch.inference_mode():
        hidden = tiny_encoder.model(input_ids=ids_of(tiny_encoder), output_hidden_states=True).hidden_states
    torch.testing.assert_close(states(shallow), hidden[1], atol=1e-5, rtol=1e-5)


def test_more_layers_than_there_are_is_an_error_not_random_weights():
    with pytest.raises(WeightsError, match="encoder 'random': has fewer than 3 layers"):
        load(EncoderSpec("random", layers=3))


@pytest.mark.parametrize("layers", [0, -1])
def test_no_layers_is_an_error(layers):
    with pytest.raises(ValueError, match=f"layers is {layers}, allowed: 1 or more"):
        EncoderSpec("random", layers)


@pytest.mark.parametrize("name", ["xlmr", "no/such/folder"])
def test_an_unknown_name_is_an_error(name):
    with pytest.raises(ValueError, match=f"encoder is '{name}', allowed: packaged, random, a hub id"):
        EncoderSpec(name)


def test_a_hub_id_without_network_names_what_to_check():
    with pytest.raises(WeightsError, match="(?s)encoder 'nobody/nothing-at-all'.* check the hub id and the network"):
        load(EncoderSpec("nobody/nothing-at-all"))


def test_a_local_folder_is_loaded(stored, tiny_encoder):
    assert torch.equal(states(load(EncoderSpec(str(stored)), "eager")), states(tiny_encoder))


def damage(folder, how):
    weights = folder / "model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif how == "garbage":
        weights.write_bytes(b"\xff" * 5000)
    else:
        (folder / how).unlink()


@pytest.mark.parametrize("how", ["truncated", "garbage", "model.safetensors", "config.json"])
def test_damaged_weights_are_an_error_that_names_the_folder(stored, how):
    damage(stored, how)
    with pytest.raises(WeightsError, match="weights could not be loaded from .*own.*; copy"):
        load(EncoderSpec(str(stored)))


def test_damaged_weights_that_were_made_here_are_to_be_removed(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path))
    shutil.copytree(cache / RANDOM, tmp_path / RANDOM)
    damage(tmp_path / RANDOM, "truncated")
    with pytest.raises(
        WeightsError, match="weights could not be loaded from .*random.*; remove that folder and run again"
    ):
        load(EncoderSpec("random"))


def test_weights_that_lack_a_tensor_are_an_error(stored, tiny_encoder):
    kept = {name: w for name, w in tiny_encoder.model.state_dict().items() if "layer.1.output" not in name}
    tiny_encoder.model.save_pretrained(stored, state_dict=kept)
    with pytest.raises(WeightsError, match="not all weights .*encoder.layer.1.output"):
        load(EncoderSpec(str(stored)))


class Interrupted(Exception):
    pass


def test_an_interrupted_cache_is_absent_and_then_made(tmp_path, monkeypatch):
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path))
    write = encoder._write_random

    def interrupted(folder):
        write(folder)
        (folder / "tokenizer.json").unlink()
        raise Interrupted

    monkeypatch.setattr(encoder, "_write_random", interrupted)
    with pytest.raises(Interrupted):
        load(EncoderSpec("random"))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(encoder, "_write_random", write)
    assert load(EncoderSpec("random")).layers == 2


def test_a_cached_encoder_is_not_made_again(tmp_path, monkeypatch, cache, tiny_encoder):
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path))
    shutil.copytree(cache / RANDOM, tmp_path / RANDOM)
    monkeypatch.setattr(encoder, "_write_random", None)
    assert load(EncoderSpec("random")).layers == 2


def test_the_cache_is_in_runs_unless_told(monkeypatch):
    monkeypatch.delenv("STILTS_CACHE")
    assert cache_folder().parts[-2:] == ("runs", "cache")
