"""Digests that say whether a result is still up to date: of code as it is parsed, of the environment, of tables.

Code counts as Python reads it: a comment, a docstring, a layout, a markdown cell or an output changes nothing.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study import whole

PACKAGE = "stilts_utils"
VERSIONS = "constraints.txt"  # exact versions of everything installed
TOOLS = ("pytest", "hypothesis", "ruff", "playwright", "pre-commit", "pre_commit", "nbstripout", "snakemake-executor")
TOOLS += ("jupyterlab", "jupyter-book", "jsonschema", "accelerate", "sentence-transformers", "execnet")
TOOLS += ("bokeh", "xyzservices")  # whose JavaScript a page of the book loads
APART = ("peft",)  # of one method of arms alone: in the identity of its arms, see `pin`
# The module that enters what a study file names besides the checkout. Statements of it alone do nothing in other studies, and
# identities of such a study hold the code of its plugins: see `_without_plugins`.
PLUGINS = "plugins"
SHOWS = "shows"  # tag of a notebook's cells that draw what others computed, or refuse what cannot be
_read: dict[tuple[Path, bool], tuple[str, frozenset[str]]] = {}  # what this process read, see `_parsed`


def modules_of(path: str, without: tuple[str, ...] = (), shown: tuple[str, ...] = ()) -> list[str]:
    """Files of this package that a notebook or a module imports, directly or not, from the repository's root.

    Files of which the path within the package begins with one of `without` are not entered. A notebook's own imports from
    the rooms `shown` do not count, and neither do its cells with the tag `shows`: they draw what was computed.
    """
    file = ROOT / path
    used: set[str] = {path} if file.suffix == ".py" else set()
    first = {name for name in _imports(file, bool(shown)) if file.suffix == ".py" or Path(name).parts[1] not in shown}
    waiting = [first]
    while waiting:
        for module in waiting.pop():
            if module not in used and not module.removeprefix(f"{PACKAGE}/").startswith(without):
                used.add(module)
                waiting.append(_imports(ROOT / module))
    return sorted(used)


def parts_of(path: str, without: tuple[str, ...] = (), shown: tuple[str, ...] = ()) -> dict[str, str]:
    """A digest of the code of a notebook or a module, and of every module of `modules_of`, by file."""
    files = dict.fromkeys([path, *modules_of(path, without, shown)])
    return {name: _parsed(ROOT / name, bool(shown))[0] for name in files}


def code_of(path: str, without: tuple[str, ...] = (), shown: tuple[str, ...] = ()) -> str:
    """One digest of all of `parts_of`."""
    return _digest(*chain.from_iterable(parts_of(path, without, shown).items()))


def environment() -> str:
    """A digest of the exact versions of all that is installed, but of `APART` and what tests, edits, shows or carries it."""
    return _digest(*(f"{pin}\n" for pin in _pins() if not pin.startswith((*TOOLS, *APART))))


def pin(package: str) -> str:
    """The exact version of one package, such as `peft==0.21.2`. Raises ValueError if there is none."""
    found = [one for one in _pins() if one.startswith(f"{package}==")]
    if not found:
        raise ValueError(f"package is {package!r}, allowed: one of those in {VERSIONS}; add its exact version there")
    return found[0]


def _pins() -> list[str]:
    lines = (ROOT / VERSIONS).read_text(encoding="utf8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def contents(folder: Path) -> str:
    """A digest of all files below a folder, with their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _digest(*(part for path in files for part in (path.relative_to(folder).as_posix(), sha256(path))))


def sha256(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def files(paths: Iterable[Path], root: Path, known: Path) -> str:
    """A digest of large files' contents, with their names below `root`.

    Contents are read once: `known`, a JSON file, keeps digests by path, size and time of change.
    """
    stored, digests = _known(known), {}
    for path in sorted(paths):
        state = path.stat()
        key = [state.st_size, state.st_mtime_ns]
        kept = stored.get(str(path))
        digests[str(path)] = kept if kept and kept[:2] == key else [*key, sha256(path).hex()]
    if any(stored.get(path) != value for path, value in digests.items()):
        with whole.file(known, shared=True) as temporary:
            temporary.write_text(json.dumps(stored | digests), encoding="utf8")
    named = [(Path(path).relative_to(root).as_posix(), digest) for path, (*_, digest) in digests.items()]
    return _digest(*chain.from_iterable(named)) if named else ""


def _known(file: Path) -> dict[str, list]:
    try:
        return json.loads(file.read_text(encoding="utf8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return tree


def _without_plugins(tree: ast.Module) -> ast.Module:
    """Without imports of or from a module `PLUGINS`, a field of this name, and calls of its functions for no value."""

    def counts(node: ast.stmt) -> bool:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if alias.name != PLUGINS]
            return bool(node.names) and not (node.module or "").endswith(f".{PLUGINS}")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            return not (isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == PLUGINS)
        return not (isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == PLUGINS)

    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [statement for statement in body if counts(statement)]
    return tree


def _imports(file: Path, without_shown: bool = False) -> frozenset[str]:
    return _parsed(file, without_shown)[1]


def forget() -> None:
    """Read code anew, as another process would."""
    _read.clear()


def changed() -> list[str]:
    """Files of code that are no longer as this process first read them."""
    return sorted({file.name for file, shown in _read if _parse(file, shown) != _read[file, shown]})


def _parsed(file: Path, without_shown: bool = False) -> tuple[str, frozenset[str]]:
    """A digest of a file's code, and the files of this package that it names in its imports, as first read here.

    A process computes with the code that it has loaded, whatever is written into the file meanwhile.
    """
    if (file, without_shown) not in _read:
        _read[file, without_shown] = _parse(file, without_shown)
    return _read[file, without_shown]


def _parse(file: Path, without_shown: bool) -> tuple[str, frozenset[str]]:
    code, paths = [], set()
    for source in _sources(file, without_shown):
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise ValueError(f"{file.name} is no Python ({error}); take out lines that begin with % or !") from error
        tree = _without_plugins(tree)
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from package import name`: the name is a module of the package or lives in its __init__
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            paths |= {path for name in names if name.split(".")[0] == PACKAGE for path in _module_files(name)}
        code.append(ast.dump(_without_docstrings(tree)))
    return _digest(*code), frozenset(paths)


def _sources(file: Path, without_shown: bool) -> list[str]:
    if file.suffix != ".ipynb":
        return [file.read_text(encoding="utf8")]
    cells = [cell for cell in json.loads(file.read_text(encoding="utf8"))["cells"] if cell["cell_type"] == "code"]
    return ["".join(cell["source"]) for cell in cells if not without_shown or SHOWS not in _tags(cell)]


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:16]


def _module_files(name: str) -> list[str]:
    """The file of a module, and the packages it lies in, which Python runs first."""
    parts = name.split(".")
    packages = [f"{'/'.join(parts[:end])}/__init__.py" for end in range(1, len(parts) + 1)]
    return [path for path in (*packages, f"{'/'.join(parts)}.py") if (ROOT / path).is_file()]
