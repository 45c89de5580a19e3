import json
import re

import pytest

from stilts_utils.models import folders
from stilts_utils.models.e5_small import WeightsError
from stilts_utils.models.encoder import load
from stilts_utils.study.settings import EncoderSpec

pytest_plugins = ["tests.own_encoders"]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1112197096\n"


@pytest.fixture
def refused(own):
    """`refused()`: what is said of the folder, which is left as it is."""
    own.write("xlm-roberta")

    def said() -> str:
        before = {file.name: file.read_bytes() for file in own.folder.iterdir()}
        with pytest.raises(WeightsError) as caught:
            load(EncoderSpec(str(own.folder)))
        assert {file.name: file.read_bytes() for file in own.folder.iterdir()} == before
        assert not re.search("remove|delete", str(caught.value))
        return str(caught.value)

    return said


def command(said: str) -> str:
    """The Python code of a command that a message names."""
    return re.search(r'`python -c "(.*?)"`', said)[1]


def test_pytorch_weights_are_refused_with_how_to_convert_them(own, refused):
    (own.folder / "model.safetensors").rename(own.folder / "pytorch_model.bin")
    said = refused()
    assert "its weights are pytorch_model.bin, and only model.safetensors is read" in said
    assert f"glob('{own.folder}/pytorch_model*.bin')" in command(said) and "weights_only=True" in command(said)
    compile(command(said), "command", "exec")


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack", "model.pt", "model.bin"])
def test_weights_of_other_kinds_are_named(own, refused, name):
    (own.folder / "model.safetensors").rename(own.folder / name)
    assert f"its weights are {name}" in refused()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "sentencepiece.bpe.model"])
def test_a_git_lfs_pointer_is_named(own, refused, name):
    (own.folder / name).write_text(POINTER, encoding="utf8")
    said = refused()
    assert f"{name} is a Git LFS pointer" in said and "git lfs pull" in said


@pytest.mark.parametrize("name", ["sentencepiece.bpe.model", "spiece.model"])
def test_a_sentencepiece_file_alone_is_refused_with_how_to_convert_it(own, refused, name):
    for file in own.folder.glob("tokenizer*"):
        file.unlink()
    (own.folder / name).write_bytes(b"\x0a\x0e" + bytes(2000))
    said = refused()
    assert f"its tokenizer is {name} alone" in said and "AutoTokenizer" in command(said)
    compile(command(said), "command", "exec")


def test_an_adapter_is_refused_with_how_to_merge_it(own, refused):
    (own.folder / "model.safetensors").rename(own.folder / "adapter_model.safetensors")
    (own.folder / "config.json").unlink()
    (own.folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}), encoding="utf8")
    said = refused()
    assert "it holds an adapter (adapter_config.json) and not a whole encoder" in said
    assert "merge_and_unload" in command(said)
    compile(command(said), "command", "exec")


def test_an_adapter_beside_weights_is_refused_too(own, refused):
    (own.folder / "adapter_config.json").write_text("{}", encoding="utf8")
    assert "it holds an adapter" in refused()


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "model.safetensors is missing"),
        ("tokenizer.json", "tokenizer.json is missing"),
    ],
)
def test_a_missing_file_is_named(own, refused, gone, said):
    (own.folder / gone).unlink()
    assert f"{said}; copy" in refused()


def test_byte_pairs_without_their_merges_are_refused(own, refused):
    for file in own.folder.glob("tokenizer*"):
        file.unlink()
    (own.folder / "vocab.json").write_text("{}", encoding="utf8")
    assert "its tokenizer is vocab.json alone" in refused()


def test_a_whole_folder_has_no_fault(own):
    own.write("bert")
    assert folders.fault(own.folder) == ""
    (own.folder / "pytorch_model.bin").write_bytes(b"")  # beside the weights that are read
    assert folders.fault(own.folder) == ""
