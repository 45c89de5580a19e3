import re
import subprocess

import pytest
import torch
import yaml

from stilts_utils.models import encoder, packed_weights
from stilts_utils.study import settings, study
from stilts_utils.study.study import Study
from stilts_utils.workflow import pack
from stilts_utils.workflow.pack import PackError
from tests.own_plugins import TASK

pytest_plugins = ["tests.own_mirror", "tests.own_plugins"]
FILE = """
title: own
encoder: random
source: mirror
mirror: mirror
languages: [en, de]
missing: skip
intermediate: [mnli]
durations: [0, 1]
seeds: [1]
targets: {xnli: {steps: 1}, tatoeba: {}}
training: {batch_size: 2, train_rows: 3}
items: 4
inference: {target: xnli, replicates: 2, seconds: 0.1}
"""


@pytest.fixture
def checkout(own_study, tmp_path, monkeypatch):
    """A git checkout with a study of the small mirror."""
    for name, text in {
        "studies/own.yaml": FILE,
        "code.py": "1\n",
        "new.py": "2\n",
        ".gitignore": "runs/\nmirror/\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "code.py", "studies", ".gitignore"], check=True)
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def packed(checkout):
    return pack.pack("studies/own.yaml")


def test_a_pack_holds_code_encoder_and_rows(packed, checkout):
    assert packed == checkout / "runs" / "own" / "pack"
    below = {file.relative_to(packed).as_posix() for file in packed.rglob("*") if file.is_file()}
    assert {"code.py", "new.py", "studies/own.yaml", "studies/own_packed.yaml", "PACK.md"} < below
    assert {f"{pack.ENCODER}/{name}" for name in ("config.json", "tokenizer.json", packed_weights.FILE)} < below
    assert f"{pack.DATA}/facebook/xnli/de/test.parquet" in below
    assert not [name for name in below if name.startswith(("runs/", "mirror/"))]
    assert sum(pack.sizes(packed).values()) == pytest.approx(
        sum((packed / name).stat().st_size for name in below) / 1e6
    )


def test_the_packed_study_reads_the_pack(packed, monkeypatch):
    values = yaml.safe_load((packed / "studies" / "own_packed.yaml").read_text(encoding="utf8"))
    assert values == yaml.safe_load(FILE) | {"encoder": "pack/encoder", "source": "mirror", "mirror": "pack/data"}
    for module in (study, encoder):
        monkeypatch.setattr(module, "ROOT", packed)
    loaded = Study.load("studies/own_packed.yaml")
    assert loaded.name == "own_packed" and loaded.data_source.root == packed / "pack" / "data"
    cut, whole = (encoder.load(settings.EncoderSpec(name), "eager") for name in (loaded.encoder, "random"))
    assert len(cut.tokenizer) < len(whole.tokenizer)
    text = "Berg 1"
    with torch.inference_mode():
        a, b = (e.model(**e.tokenizer(text, return_tensors="pt")).last_hidden_state for e in (cut, whole))
    assert torch.equal(a, b)


def test_how_to_run_it_is_said(packed):
    said = (packed / "PACK.md").read_text(encoding="utf8")
    assert "make study STUDY=own_packed" in said and "PIP_NO_INDEX=1" in said
    assert "rows of the study's data sets in `pack/data`" in said and "Leave STILTS_MIRROR unset" in said
    assert "{" not in said


def test_a_pack_that_is_too_large_is_refused_and_the_old_one_stays(packed, checkout):
    with pytest.raises(
        PackError, match=r"the pack has 0\.\d MB \(encoder .*, rows .*, code .*\), allowed: 0\.001; .*--limit-mb"
    ):
        pack.pack("studies/own.yaml", limit_mb=0.001)
    assert (packed / "PACK.md").is_file()
    assert [folder.name for folder in (checkout / "runs" / "own").iterdir()] == ["pack"]


def test_states_that_differ_stop_the_pack(checkout, monkeypatch):
    monkeypatch.setattr(pack.pack_vocabulary, "largest_difference", lambda *encoders: 1e-7)
    with pytest.raises(PackError, match="last hidden states of the cut encoder differ by up to 1e-07, allowed: 0"):
        pack.pack("studies/own.yaml")
    assert not (checkout / "runs" / "own" / "pack").exists()


def test_weights_that_are_not_stored_bit_for_bit_stop_the_pack(checkout, monkeypatch):
    unpack = packed_weights.unpack
    monkeypatch.setattr(packed_weights, "unpack", lambda file: {name: w + 1 for name, w in unpack(file).items()})
    with pytest.raises(PackError, match="weights .* are not stored bit for bit"):
        pack.pack("studies/own.yaml")


def test_outside_a_checkout_there_is_no_code_to_pack(own_study, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    with pytest.raises(PackError, match="is no git checkout .*; pack from a clone"):
        pack.write_code(tmp_path / "made")


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [([], 0, r"runs/own/pack: 0\.\d MB"), (["--limit-mb", "0"], 2, "the pack has")]
)
def test_the_command_says_the_size_or_what_is_wrong(arguments, code, said, checkout, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pack", "studies/own.yaml", *arguments])
    assert pack.main() == code
    assert re.match(said, capsys.readouterr().out)


def test_a_pack_holds_the_plugins_of_its_study(plugged, tmp_path):
    (tmp_path / "pack/studies").mkdir(parents=True)
    (tmp_path / "code").mkdir()
    study = plugged("code/mine.py", TASK)
    pack.write_study(str(tmp_path / "own.yaml"), study, "own_packed", tmp_path / "pack")
    written = yaml.safe_load((tmp_path / "pack/studies/own_packed.yaml").read_text(encoding="utf8"))
    assert written["plugins"] == ["mine.py"]
    assert (tmp_path / "pack/studies/mine.py").read_text(encoding="utf8") == TASK
