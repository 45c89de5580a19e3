"""What the rules of the Snakefile depend on: the modules that a notebook or a module uses, and the book's pages."""

import ast
import json
from pathlib import Path

from stilts_utils import ROOT, provenance

PACKAGE = "stilts_utils"


def modules_of(path: str) -> list[str]:
    """Files of this package that a notebook or a module imports, directly or not, from the repository's root."""
    file = ROOT / path
    found: set[str] = {path} if file.suffix == ".py" else set()
    waiting = [file]
    while waiting:
        for module in _imports(waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(ROOT / module)
    return sorted(found)


def pages() -> list[str]:
    """Source files of the book, with the stored results, which it has chapters on."""
    folders = [ROOT / "book", *(ROOT / "results" / name for name in provenance.stored())]
    return sorted(str(p.relative_to(ROOT)) for folder in folders for p in folder.rglob("*") if p.is_file())


def _imports(file: Path) -> set[str]:
    found = set()
    for source in _sources(file):
        for node in ast.walk(ast.parse(source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from package import name`: the name is a module of the package or lives in its __init__
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {path for name in names if name.split(".")[0] == PACKAGE and (path := _module_file(name))}
    return found


def _sources(file: Path) -> list[str]:
    if file.suffix == ".ipynb":
        cells = json.loads(file.read_text(encoding="utf8"))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [file.read_text(encoding="utf8")]


def _module_file(name: str) -> str | None:
    stem = name.replace(".", "/")
    return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / path).is_file()), None)
