"""What `make lab` sets up: outputs of notebooks do not enter git, and what is committed is checked."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stilts_utils import ROOT

BIN = Path(sys.executable).parent


@pytest.fixture
def git(tmp_path):
    """`git(...)` in a checkout with the repository's attributes and the filter as the Makefile sets it."""

    def run(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    (tmp_path / ".gitattributes").write_text((ROOT / ".gitattributes").read_text(encoding="utf8"), encoding="utf8")
    command = re.search(r'filter\.nbstripout\.clean "\$\(BIN\)/(.*?)"', (ROOT / "Makefile").read_text(encoding="utf8"))[
        1
    ]
    run("init", "-q")
    run("config", "filter.nbstripout.clean", f"{BIN}/{command}")
    run("config", "filter.nbstripout.smudge", "cat")
    return run


def test_a_notebook_with_outputs_is_committed_without(git, tmp_path):
    committed = (ROOT / "notebooks/2_intermediate.ipynb").read_text(encoding="utf8")
    notebook = json.loads(committed)
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell |= {"execution_count": 7, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["a secret\n"]}]}
    (tmp_path / "page.ipynb").write_text(json.dumps(notebook, indent=1), encoding="utf8")
    git("add", "page.ipynb")
    assert "a secret" in (tmp_path / "page.ipynb").read_text(encoding="utf8")
    assert json.loads(git("show", ":page.ipynb")) == json.loads(committed)


def test_the_checks_before_a_commit_name_tools_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf8"))["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "nbstripout", "large-files"}
    extras = (ROOT / "pyproject.toml").read_text(encoding="utf8").split("\nedit = ")[1].split("]\n")[0]
    tools = {"ruff": "ruff", "nbstripout": "nbstripout", "check-added-large-files": "pre-commit-hooks"}
    for hook in hooks:
        assert tools[hook["entry"].split()[0].removeprefix(".venv/bin/")] in extras


def test_no_tracked_file_is_over_a_megabyte():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:  # a copy without git
        return
    large = [
        name
        for name in files.stdout.split("\0")
        if name and (ROOT / name).is_file() and (ROOT / name).stat().st_size > 1e6
    ]
    assert not large
