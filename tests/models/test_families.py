import pytest
import torch

from stilts_utils import ROOT
from stilts_utils.models import families
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.encoder import load
from stilts_utils.study.settings import EncoderSpec

pytest_plugins = ["tests.own_encoders"]


@pytest.mark.parametrize("kind", families.FAMILIES)
def test_every_family_is_loaded_with_positions_for_as_many_tokens_as_it_says(own, kind):
    loaded = load(EncoderSpec(own.write(kind)))
    assert loaded.longest == (64 if loaded.family.after_padding else 66)
    assert loaded.model(torch.full((1, loaded.longest), 9)).last_hidden_state.shape == (1, loaded.longest, 32)
    with pytest.raises((IndexError, RuntimeError)):
        loaded.model(torch.full((1, loaded.longest + 1), 9))
    assert all(name.startswith("encoder.") for name in loaded.trainable())


@pytest.mark.parametrize("kind", ["camembert", "data2vec-text", "roberta", "xlm-roberta"])
def test_514_positions_are_for_512_tokens(own, kind):
    assert load(EncoderSpec(own.write(kind, max_position_embeddings=514))).longest == 512


@pytest.mark.parametrize("kind", families.REFUSED)
def test_a_family_that_would_be_read_wrongly_is_refused_with_its_reason(own, kind):
    more = {
        "xmod": {"languages": ["en_XX", "de_DE"], "default_language": "en_XX"},
        "rembert": {"input_embedding_size": 16},
    }
    name = own.write(kind, **more.get(kind, {}))
    with pytest.raises(WeightsError, match=f"model_type in config.json is '{kind}'.*: it.*allowed: bert, .*`encoder`"):
        load(EncoderSpec(name))


@pytest.mark.parametrize("kind", ["distilbert", "deberta-v2", "modernbert", "nomic_bert", "new", None])
def test_any_other_family_is_refused(kind):
    with pytest.raises(WeightsError, match=f"encoder 'me/mine': model_type in config.json is {kind!r}.*allowed: bert"):
        families.of({"model_type": kind}, "me/mine")


@pytest.mark.parametrize("positions", ["relative_key", "relative_key_query", "alibi"])
def test_positions_that_would_be_dropped_are_refused(own, positions):
    name = own.write("bert")
    own.configure(position_embedding_type=positions)
    with pytest.raises(
        WeightsError, match=f"position_embedding_type in config.json is '{positions}', allowed: 'absolute'"
    ):
        load(EncoderSpec(name))


@pytest.mark.parametrize(
    "settings",
    [{"is_decoder": True}, {"add_cross_attention": True}, {"quantization_config": {"quant_method": "bitsandbytes"}}],
)
def test_other_settings_that_change_what_is_computed_are_refused(settings):
    (field,) = settings
    with pytest.raises(WeightsError, match=f"encoder 'own': {field} in config.json is .*allowed: "):
        families.of({"model_type": "xlm-roberta", **settings}, "own")


def test_a_model_of_its_own_code_is_refused():
    with pytest.raises(WeightsError, match=r"names a model of its own code \(auto_map\), which is not run here"):
        families.of({"model_type": "bert", "auto_map": {"AutoModel": "me/mine--modeling.Mine"}}, "own")
    assert families.of({"model_type": "bert", "auto_map": {"AutoTokenizer": ["a", None]}}, "own").walks


def test_the_page_on_running_it_again_names_every_family():
    page = (ROOT / "book" / "rerun.md").read_text(encoding="utf8")
    assert all(f"`{kind}`" in page for kind in families.FAMILIES)
