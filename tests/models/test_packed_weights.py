import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stilts_utils.models import packed_weights

scales = hnp.arrays(np.float16, 6, elements=st.floats(-4, 4, width=16))
values = hnp.arrays(np.uint8, (6, 32), elements=st.integers(0, 15))


@settings(max_examples=60, deadline=None)
@given(scales, values)
def test_quantised_weights_come_back_bit_for_bit(scale, value):
    scale = np.where(np.abs(scale) < 1e-3, 0, scale).astype(np.float16)  # smaller scales lose digits of their own
    weights = packed_weights.dequantised(scale, value).reshape(3, 64)
    found = packed_weights.quantised(weights)
    assert found is not None and found["scales"].nbytes + found["nibbles"].nbytes == 18 * 6
    nibbles = found["nibbles"]
    back = packed_weights.dequantised(found["scales"], np.concatenate([nibbles & 15, nibbles >> 4], axis=1))
    assert packed_weights.same_bits(back.reshape(3, 64), weights).all()


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, (2, 32), elements=st.floats(-1, 1, width=32)))
def test_other_weights_are_never_taken_for_quantised_ones(weights):
    found = packed_weights.quantised(weights)
    if found is not None:
        parts = np.concatenate([found["nibbles"] & 15, found["nibbles"] >> 4], axis=1)
        assert packed_weights.same_bits(packed_weights.dequantised(found["scales"], parts), weights).all()


def test_signs_of_zero_are_kept():
    weights = np.zeros((2, 32), np.float32)
    weights[1, 3] = -0.0
    found = packed_weights.quantised(weights)
    assert found["nibbles"].tolist() == [[0x88] * 16, [0x88] * 3 + [0x80] + [0x88] * 12]
    weights[0, 0] = 1.0
    weights[0, 1] = -0.0  # beside other weights, a scale gives zeros of one sign only
    assert packed_weights.quantised(weights) is None


@pytest.mark.parametrize(
    ("name", "size"),
    [("quantised", 64 * 64 // 32 * 18), ("halves", 64 * 64 * 2), ("singles", 64 * 64 * 4), ("vector", 65 * 2)],
)
def test_every_tensor_takes_its_smallest_exact_form(name, size, tmp_path):
    random = np.random.default_rng(0)
    tensors = {
        "quantised": packed_weights.dequantised(
            random.normal(size=128).astype(np.float16), random.integers(0, 16, (128, 32)).astype(np.uint8)
        ).reshape(64, 64),
        "halves": random.normal(size=(64, 64)).astype(np.float16).astype(np.float32),
        "singles": random.normal(size=(64, 64)).astype(np.float32),
        "vector": np.ones(65, np.float32),
    }
    small, large = packed_weights.pack({name: tensors[name]}, tmp_path).stat().st_size, size
    assert large < small < large + 400  # the header
    back = packed_weights.unpack(tmp_path / packed_weights.FILE)
    assert list(back) == [name] and back[name].dtype == np.float32
    assert packed_weights.same_bits(back[name], tensors[name]).all() and back[name].shape == tensors[name].shape


def test_a_packed_encoder_is_loaded_as_it_was(tiny_encoder, tmp_path, monkeypatch, cache):
    import torch

    from stilts_utils.models import encoder
    from stilts_utils.study import settings as study_settings

    folder = tmp_path / "packed"
    folder.mkdir()
    tiny_encoder.tokenizer.save_pretrained(folder)
    tiny_encoder.model.config.save_pretrained(folder)
    weights = tiny_encoder.model.state_dict()
    packed_weights.pack({name: tensor.numpy() for name, tensor in weights.items()}, folder)
    loaded = encoder.load(study_settings.EncoderSpec(str(folder)))
    assert {name: True for name in weights} == {
        n: torch.equal(t, weights[n]) for n, t in loaded.model.state_dict().items()
    }
    assert loaded.tokenizer("ten days") == tiny_encoder.tokenizer("ten days")
    made = cache / f"packed-{packed_weights.digest(folder)}" / packed_weights.FULL
    assert made.is_file() and not (folder / packed_weights.FULL).exists()
