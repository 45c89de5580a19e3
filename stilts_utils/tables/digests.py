"""Digests that say whether a result is still up to date: of code as it is parsed, of the environment, of tables.

Code counts as Python reads it: a comment, a docstring, a layout, a markdown cell or an output changes nothing.
"""

import ast
import hashlib
import json
from pathlib import Path

from stilts_utils import ROOT

PACKAGE = "stilts_utils"
VERSIONS = "constraints.txt"  # exact versions of everything installed


def modules_of(path: str, without: tuple[str, ...] = ()) -> list[str]:
    """Files of this package that a notebook or a module imports, directly or not, from the repository's root.

    Rooms `without` are not entered.
    """
    file = ROOT / path
    used: set[str] = {path} if file.suffix == ".py" else set()
    waiting = [file]
    while waiting:
        for module in _imports(waiting.pop()):
            if module not in used and Path(module).parts[1] not in without:
                used.add(module)
                waiting.append(ROOT / module)
    return sorted(used)


def code_of(path: str, without: tuple[str, ...] = ()) -> str:
    """A digest of the code of a notebook or a module, and of all modules that it uses, except the rooms `without`."""
    digest = hashlib.sha256()
    for name in dict.fromkeys([path, *modules_of(path, without)]):
        digest.update(name.encode())
        for source in _sources(ROOT / name):
            digest.update(ast.dump(_without_docstrings(ast.parse(source))).encode())
    return digest.hexdigest()[:16]


def environment() -> str:
    """A digest of the exact versions that models run with."""
    return hashlib.sha256((ROOT / VERSIONS).read_bytes()).hexdigest()[:16]


def contents(folder: Path) -> str:
    """A digest of all files below a folder, with their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return tree


def _imports(file: Path) -> set[str]:
    paths = set()
    for source in _sources(file):
        for node in ast.walk(ast.parse(source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from package import name`: the name is a module of the package or lives in its __init__
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            paths |= {path for name in names if name.split(".")[0] == PACKAGE for path in _module_files(name)}
    return paths


def _sources(file: Path) -> list[str]:
    if file.suffix == ".ipynb":
        cells = json.loads(file.read_text(encoding="utf8"))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [file.read_text(encoding="utf8")]


def _module_files(name: str) -> list[str]:
    """The file of a module, and the packages it lies in, which Python runs first."""
    parts = name.split(".")
    packages = [f"{'/'.join(parts[:end])}/__init__.py" for end in range(1, len(parts) + 1)]
    return [path for path in (*packages, f"{'/'.join(parts)}.py") if (ROOT / path).is_file()]
