"""Tasks, methods and engines from outside the checkout: Python files and installed packages that a study file names.

Every `Task`, `Method` and `Deployment` at the top of such a module is entered in its registry, once in a process. `rows` and
`runtime` mark the functions that belong to them. A process that is sent a study enters its plugins, too. Nothing is loaded
that no study file names.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Annotated

import yaml
from pydantic import InstanceOf, WithJsonSchema

from stilts_utils import ROOT, tasks
from stilts_utils.study import engines, methods
from stilts_utils.study.validation import StudyError, require
from stilts_utils.tasks import TASKS, Task

GROUP = "stilts_utils.plugins"  # of entry points
METHODS = "stilts_utils.training.methods"  # a plugin is the module of its methods there
KINDS = {Task: TASKS, methods.Method: methods.METHODS, engines.Deployment: engines.ENGINES}
KNOWN = ("tasks", "study.study", "data.task_sets")  # modules that hold the languages, by value
LOADED: dict[str, "Plugin"] = {}  # by file, or by name of an installed one
MARKED: dict[str, dict] = {"rows": {}, "runtime": {}}
HEARD: dict[str, list[Callable]] = {"rows": [], "runtime": []}


class Plugin(str):
    """A plugin as the study file names it, with the file of its code and the version of its package, if it is of one."""

    study: Path
    file: Path
    version: str

    def __reduce__(self):
        return _plug, (str(self), self.study)


Plugins = Annotated[
    tuple[InstanceOf[Plugin], ...],
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
]


def rows(task: Task) -> Callable:
    """Marks `rows(language, split)`, which gives the rows of a task without data sets: dicts with the columns of its shape.

    Splits are train, validation and test (of retrieval test alone); of a language that it does not have it gives none.
    """
    return lambda given: _mark("rows", task, given)


def runtime(name: str) -> Callable:
    """Marks a function that imports and returns the class of engines of a new runtime. Raises StudyError for a known one."""
    require(name not in engines.RUNTIMES, "runtime", name, "another name: there is one of this name")
    engines.RUNTIMES += (name,)
    return lambda given: _mark("runtime", name, given)


def _mark(kind: str, owner: Task | str, given: Callable) -> Callable:
    MARKED[kind][owner] = given
    for enter in HEARD[kind]:
        enter(owner, given)
    return given


def each(kind: str, enter: Callable) -> None:
    """Call `enter(owner, function)` for every function that is marked as `rows` or `runtime`, now and later."""
    HEARD[kind].append(enter)
    for owner, given in MARKED[kind].items():
        enter(owner, given)


def load(values: dict, study: Path) -> None:
    """Load the plugins that a study file's values name, and put them in place of their names. Raises StudyError."""
    if "plugins" in values:
        names, allowed = values["plugins"], f"a list of Python files and of entry points of the group {GROUP}"
        good = isinstance(names, list) and all(isinstance(name, str) for name in names)
        require(good, f"{study.name}: plugins", names, allowed)
        values["plugins"] = tuple(_plug(name, study) for name in dict.fromkeys(names))


def of_results(about: dict) -> None:
    """Load the plugins that stored results were made with: those of the study file of that name. Raises StudyError."""
    names, study = about.get("settings", {}).get("plugins", []), ROOT / "studies" / f"{about['study']['name']}.yaml"
    if names and not all(name in LOADED.values() for name in names):
        values = yaml.safe_load(study.read_text(encoding="utf8")) if study.is_file() else {}
        given = values.get("plugins", [])
        allowed = f"with {', '.join(names)}, by which its results were made; put them back to read these"
        require(set(names) <= set(given), f"studies/{study.name}: plugins", given, allowed)
        load(values, study)


def _plug(name: str, study: Path) -> Plugin:
    """One plugin, loaded unless this process has it. Raises StudyError."""
    file = (study.parent / name).resolve() if name.endswith(".py") else None
    key, installed = str(file or name), {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    there = file.is_file() if file else name in installed
    known = f"a Python file, by its path from the study file, or an installed one: {', '.join(installed) or 'none'}"
    require(there, f"{study.name}: plugins", name, f"{known}; correct the path, or install it")
    if key not in LOADED:
        runtimes = engines.RUNTIMES
        try:
            module = _module(file) if file else installed[name].load()
            _enter(module)
        except Exception as error:  # whatever the author's code raises
            sys.modules.pop(key, None)
            engines.RUNTIMES = runtimes
            kind = "" if isinstance(error, StudyError) else f"{type(error).__name__}: "
            said = f"{kind}{' '.join(str(error).split())}"
            raise StudyError(
                f"{study.name}: plugins: {name} cannot be loaded: {said}; correct it, or take it out"
            ) from error
        LOADED[key] = Plugin(name)
        LOADED[key].file = Path(module.__file__)
    plugin = Plugin(name)
    plugin.study, plugin.file = study, LOADED[key].file
    plugin.version = "" if file else f"{installed[name].dist.name}=={installed[name].dist.version}"
    return plugin


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(str(file), file)
    module = sys.modules[str(file)] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _enter(module: ModuleType) -> None:
    """Enter a module's own entries, all or none. Raises StudyError."""
    new = [
        (registry, entry)
        for kind, registry in KINDS.items()
        for entry in vars(module).values()
        if isinstance(entry, kind) and registry.get(entry.name) is not entry
    ]
    require(new, "what it registers", None, "a Task, a Method or a Deployment at the top of the file")
    for place, (registry, entry) in enumerate(new):
        taken = [*registry, *(other.name for where, other in new[:place] if where is registry)]
        require(entry.name not in taken, "name", entry.name, f"another than those in the registry, {', '.join(taken)}")
        if isinstance(entry, Task) and not entry.sets:
            said = "of data sets, or of a function marked by `plugins.rows`"
            require(entry in MARKED["rows"], f"task {entry.name}: rows", None, said)
    for registry, entry in new:
        registry[entry.name] = entry
        if isinstance(entry, Task):
            _know(entry.languages)
        elif (
            isinstance(entry, methods.Method)
            and not (ROOT / METHODS.replace(".", "/") / f"{entry.module}.py").is_file()
        ):
            sys.modules[f"{METHODS}.{entry.module}"] = module


def _know(languages: Iterable[str]) -> None:
    known = tuple(sorted({*tasks.LANGUAGES, *languages}))
    for module in (f"stilts_utils.{name}" for name in KNOWN):
        if module in sys.modules:
            sys.modules[module].LANGUAGES = known
