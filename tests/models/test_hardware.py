import psutil
import pytest
import torch

from stilts_utils.models import hardware


@pytest.mark.parametrize(
    ("capabilities", "instructions", "precision"),
    [
        ({}, None, "fp32"),
        ({"avx2": True, "amx_bf16": False}, None, "fp32"),
        ({"avx512_bf16": True}, "avx512_bf16", "bf16"),
        ({"avx512_bf16": True, "amx_bf16": True}, "amx_bf16", "bf16"),
        ({"bf16": True}, "bf16", "bf16"),
    ],
)
def test_precision_follows_the_instructions(monkeypatch, capabilities, instructions, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert hardware.bf16_instructions() == instructions
    assert hardware.training_precision() == precision


def test_what_the_machine_is():
    assert hardware.cpu_name().strip()
    assert 1 <= hardware.cores() <= psutil.cpu_count()
    assert hardware.bf16_instructions() in (None, "amx_bf16", "avx512_bf16", "bf16")
