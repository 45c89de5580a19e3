import pickletools

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stilts_utils.models import checkpoints
from stilts_utils.models.checkpoints import Stored, distance, fingerprint, subnormals

WEIGHTS = {"a": torch.tensor([[1.0, -2.5], [0.0, 1e-40]]), "head.bias": torch.arange(3.0)}


def save(weights, file, made_from):
    return Stored((file,), made_from).save(weights)


def load(file, made_from):
    return Stored((file,), made_from).load()


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    file = save(WEIGHTS, tmp_path / "deep" / "x.safetensors", "made")
    found = load(file, "made")
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    assert found["a"].dtype == torch.float32


def test_what_does_not_lie_in_order_is_saved_too(tmp_path):
    weights = {"t": torch.arange(6.0).reshape(2, 3).T.requires_grad_()}
    assert torch.equal(load(save(weights, tmp_path / "x.safetensors", "m"), "m")["t"], weights["t"])


def test_loaded_weights_do_not_hang_on_the_file(tmp_path):
    file = save(WEIGHTS, tmp_path / "x.safetensors", "made")
    found = load(file, "made")
    save({"a": torch.zeros(2, 2)}, file, "made")
    assert torch.equal(found["a"], WEIGHTS["a"])


def test_there_is_nothing_where_there_is_no_file(tmp_path):
    assert load(tmp_path / "x.safetensors", "made") is None


def test_weights_made_from_something_else_are_not_loaded(tmp_path):
    assert load(save(WEIGHTS, tmp_path / "x.safetensors", "made"), "otherwise") is None
    save_file(WEIGHTS, tmp_path / "bare.safetensors")  # says nothing of what made it
    assert load(tmp_path / "bare.safetensors", "made") is None


@pytest.mark.parametrize("before", [None, "old"])
def test_an_interrupted_write_leaves_what_there_was(tmp_path, monkeypatch, before):
    file = tmp_path / "x.safetensors"
    if before:
        save(WEIGHTS, file, before)

    def interrupted(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "save_file", interrupted)
    with pytest.raises(OSError, match="disk full"):
        save({"a": torch.zeros(1)}, file, "new")
    assert load(file, "new") is None
    assert file.exists() == bool(before)
    if before:
        assert torch.equal(load(file, before)["a"], WEIGHTS["a"])


def test_a_file_is_safetensors_and_holds_no_pickle(tmp_path):
    content = save(WEIGHTS, tmp_path / "x.safetensors", "made").read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert content[8:9] == b"{" and len(content) == 8 + size + sum(w.numel() * 4 for w in WEIGHTS.values())
    with pytest.raises(ValueError):
        list(pickletools.genops(content))


def test_the_fingerprint_is_of_every_part_in_order():
    parts = ("packaged", 12, {"batch_size": 16}, 3)
    assert fingerprint(*parts) == fingerprint(*parts)
    others = [parts[::-1], (*parts, ""), ("random", *parts[1:]), (*parts[:2], {"batch_size": 8}, 3), parts[:3]]
    assert len({fingerprint(*other) for other in [parts, *others]}) == 6


def test_it_is_written_to_the_first_file_and_read_from_each(tmp_path):
    own, others = tmp_path / "own.safetensors", tmp_path / "others.safetensors"
    stored = Stored((own, others), "made")
    assert stored.load() is None and not stored.there()
    save({"a": torch.ones(1)}, others, "made")
    assert torch.equal(stored.load()["a"], torch.ones(1)) and not own.exists()
    assert stored.there() and not Stored((own, others), "otherwise").there()
    stored.save({"a": torch.zeros(1)})
    assert torch.equal(stored.load()["a"], torch.zeros(1)) and torch.equal(load(others, "made")["a"], torch.ones(1))
    save({"a": torch.ones(1)}, own, "otherwise")
    assert torch.equal(stored.load()["a"], torch.ones(1))


TINY = float(np.finfo(np.float32).tiny)


@pytest.mark.parametrize(
    ("values", "count"),
    [([0.0, -0.0, 1.0], 0), ([TINY, -TINY], 0), ([TINY / 2, -1e-39, 1e-45, 3.0], 3), ([], 0)],
)
def test_subnormals_are_counted(values, count):
    assert subnormals({"a": torch.tensor(values), "b": torch.ones(2)}) == count


@pytest.mark.parametrize(
    ("weights", "reference", "expected"),
    [
        ({"a": [3.0, 4.0]}, {"a": [3.0, 4.0]}, 0.0),
        ({"a": [0.0, 0.0]}, {"a": [3.0, 4.0]}, 1.0),
        ({"a": [6.0, 8.0]}, {"a": [3.0, 4.0]}, 1.0),
        ({"a": [3.0, 4.0], "b": [13.0]}, {"a": [3.0, 4.0], "b": [12.0]}, 1 / 13),
    ],
)
def test_distance_with_a_known_answer(weights, reference, expected):
    as_tensors = [{name: torch.tensor(v) for name, v in found.items()} for found in (weights, reference)]
    assert distance(*as_tensors) == pytest.approx(expected)
