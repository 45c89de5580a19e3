import os
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from stilts_utils.workflow import surroundings


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Whatever `prepare` sets is taken back."""
    before = dict(os.environ)
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))
    yield
    os.environ.clear()
    os.environ.update(before)


def test_the_kernel_is_this_python_whatever_others_have_put_first(tmp_path, monkeypatch):
    for name in ("python3", surroundings.KERNEL):
        foreign = tmp_path / "foreign" / "kernels" / name
        foreign.mkdir(parents=True)
        (foreign / "kernel.json").write_text(
            '{"argv": ["/elsewhere/python"], "display_name": "x", "language": "python"}'
        )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    assert surroundings.prepare(tmp_path / "runs") == []
    assert surroundings.prepare(tmp_path / "runs") == []
    assert os.environ["JUPYTER_PATH"] == f"{tmp_path / 'runs/jupyter'}{os.pathsep}{tmp_path / 'foreign'}"
    assert KernelSpecManager().get_kernel_spec(surroundings.KERNEL).argv[0] == os.sys.executable
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/elsewhere/python"


def test_folders_that_cannot_be_written_are_replaced_and_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()  # below a file there is no folder, even for root
    monkeypatch.setenv("HOME", str(tmp_path / "file/home"))
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "file/cache"))
    home, cache = surroundings.prepare(tmp_path / "runs")
    assert f"{tmp_path / 'file/home'} cannot be written: {tmp_path / 'runs/home'} takes its place" in home
    assert f"{tmp_path / 'file/cache'} cannot be written: {tmp_path / 'runs/cache'} takes its place" in cache
    assert Path.home() == tmp_path / "runs/home" and os.environ["STILTS_CACHE"] == str(tmp_path / "runs/cache")
    assert os.environ["MPLCONFIGDIR"].startswith(str(tmp_path / "runs/home"))
