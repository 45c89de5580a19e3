"""What a run is: everything that its results depend on, said in one place.

An identity decides what Snakemake runs again, whether a stored checkpoint fits, and whether stored results are up to date.
It holds a run's parameters, the settings that it reads, the entries of its tasks, the content of the files of its encoder
and its data, the identity of the checkpoints that it starts from, the environment, and the code as parsed.

Margins and hypotheses (but in phase 1, which stores them), plots, tables of findings and what a notebook only shows are in
none. Neither is what comes from the model hub, of which the name alone is known, nor the machine; `training.session` adds its
precision.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study.arms import PRETRAINED
from stilts_utils.study.methods import SUPERVISED
from stilts_utils.study.settings import Arm, adapt, cache_folder
from stilts_utils.study.study import Study
from stilts_utils.tables import digests, harmless
from stilts_utils.tasks import TASKS, TRAINING_LANGUAGE, HubRows, counted, task, translated

# Modules of which the values are in an identity already, or that only describe, refuse and judge.
NO_CODE = ("report/", "models/families.py", "models/folders.py", "training/provenance.py")
DESCRIBE = ("place", "hypotheses", "facts", "packages", "plugins", "schema", "validation")
NO_CODE += tuple(f"study/{name}.py" for name in DESCRIBE)
NO_CODE += tuple(
    f"tables/{name}.py" for name in ("about", "costs", "errors", "harmless", "identity", "manifest", "provenance")
)
NO_CODE += tuple(
    f"tasks/{name}.py" for name in ("__init__", "embedded", "floor", "intermediate", "targets", "translated")
)
SHOWN = ("analysis", "report")  # rooms of which a notebook's own imports only show what it computed
FORMS = ("timing/forms.py", "engines/forms.py")  # of studies that time other forms of a checkpoint
GENERATORS, READERS = ("data/embedded/",), ("data/hub.py", "data/mirror.py")  # of the other kind of source
# Fields of a task that no run reads.
DESCRIBES = ("asks", "category", "roles", "stands_in_for", "licence", "differs", "floor")
CHECKPOINTS = {
    "intermediate": "stilts_utils/training/intermediate.py",
    "target": "stilts_utils/training/fine_tuning.py",
    "exits": "stilts_utils/training/early_exit.py",
}
SCORES = "stilts_utils/training/transfer.py"


@dataclass(frozen=True)
class Identity:
    """The parts of an identity. `data`, `encoder`, `environment` and `code` are digests; `starts` are of checkpoints."""

    parameters: dict
    settings: dict
    entries: dict[str, str]
    encoder: str
    data: str
    code: str
    environment: str
    starts: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict:
        """As it is stored: plain JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()[:16]

    def changes(self, stored: dict) -> list[str]:
        """Names of the values, such as `settings.recipe.batch_size`, in which a stored identity differs from this one."""
        now, then = dict(_leaves(self.parts)), dict(_leaves(stored))
        return [name for name in {**then, **now} if now.get(name) != then.get(name)]


def of_run(study: Study, phase: str, parameters: dict) -> Identity:
    """The identity of a run of a phase with the parameters that are not left to the study file."""
    made = {
        "1_pretrained": _pretrained,
        "2_intermediate": _intermediate,
        "3_target": _targets,
        "4_inference": _inference,
    }
    return made[phase](study, f"notebooks/{phase}.ipynb", parameters)


def of_intermediate(study: Study, arm: str, duration: int, seed: int) -> Identity:
    """The identity of a checkpoint of an arm's trajectory."""
    parameters = {"intermediate": arm, "duration": duration, "seed": seed}
    return _identity(study, parameters, _arm(study, arm), study.tasks_of(arm), CHECKPOINTS["intermediate"])


def of_target(study: Study, target: str, arm: str, duration: int, seed: int) -> Identity:
    """The identity of a fine-tuned target."""
    if study.with_exits(target):
        return of_exits(study, arm, duration, seed)
    parameters = {"target": target, "intermediate": arm, "duration": duration, "seed": seed}
    settings, starts = _fit(study, target) | _finish(study, arm), _starts(study, [(arm, duration, seed)])
    return _identity(study, parameters, settings, [target], CHECKPOINTS["target"], starts)


def of_exits(study: Study, arm: str, duration: int, seed: int) -> Identity:
    """The identity of the target that is trained with exits."""
    exits = study.inference.exits
    parameters = {"target": exits.target, "intermediate": arm, "duration": duration, "seed": seed}
    settings = _fit(study, exits.target) | _finish(study, arm)
    starts = _starts(study, [(arm, duration, seed)])
    return _identity(study, parameters, settings, [exits.target], CHECKPOINTS["exits"], starts)


def of_scores(study: Study, target: str, arm: str, duration: int, seed: int) -> Identity:
    """The identity of the scores of one target from one arm, and of those of its control from duration 0."""
    parameters = {"target": target, "intermediate": arm, "duration": duration, "seed": seed}
    settings, starts = _scored(study, target, arm), _starts(study, [(arm, duration, seed)])
    return _identity(study, parameters, settings, [target], SCORES, starts)


def _pretrained(study: Study, notebook: str, parameters: dict) -> Identity:
    # Its provenance holds the whole study.
    settings = dataclasses.asdict(study) | {"mirror": None, "inference": _timing(study)}
    del settings["plugins"]  # those that there are stand in every identity of the study
    settings["stored_as"] = [digests.code_of(f"stilts_utils/study/{name}.py") for name in ("facts", "hypotheses")]
    names = [*study.targets, *_trained_on(study), *counted(study.source)]
    return _identity(study, parameters, settings, names, notebook)


def _intermediate(study: Study, notebook: str, parameters: dict) -> Identity:
    arm = parameters["intermediate"]
    settings = _arm(study, arm) | {"durations": study.durations_of(arm)}
    return _identity(study, parameters, settings, study.tasks_of(arm), notebook)


def _targets(study: Study, notebook: str, parameters: dict) -> Identity:
    arm, names = parameters["intermediate"], study.target_names(parameters.get("targets"))
    settings: dict = {"targets": {name: _scored(study, name, arm) for name in names}}
    settings["stored"] = study.inference.target in names
    starts = _starts(study, [(arm, parameters["duration"], parameters["seed"])])
    return _identity(study, parameters, settings, names, notebook, starts)


def _inference(study: Study, notebook: str, parameters: dict) -> Identity:
    timing = study.inference
    values = {name: value for name, value in _timing(study).items() if name != "margin"}
    names = [part.target for part in (timing, timing.exits, timing.search) if part]
    settings = {"inference": values, "items": {name: study.items_of(name) for name in names}}
    settings |= {"missing": study.missing, "stride": study.training.stride}
    models = [(arm, duration, seed) for arm, duration in study.timed_arms() for seed in [parameters["seed"]]]
    starts = {f"{timing.target} from {_named(*one)}": of_target(study, timing.target, *one).digest for one in models}
    for arm, duration in study.formed().values():
        one = (arm, duration, parameters["seed"])
        starts[f"{timing.target} from {_named(*one)}"] = of_target(study, timing.target, *one).digest
    if timing.exits:
        starts |= {f"{timing.exits.target}-exits from {_named(*one)}": of_exits(study, *one).digest for one in models}
    if timing.search:
        starts |= _starts(study, models)
    return _identity(study, parameters, settings, names, notebook, starts)


def _timing(study: Study) -> dict:
    """Settings of timing, without those that came later and that a study does not use."""
    values = dataclasses.asdict(study.inference)
    return {name: value for name, value in values.items() if name != "forms" or value}


def _arm(study: Study, name: str) -> dict:
    arm = study.intermediate[name]
    tasks = {part: study.max_length(part) for part in study.tasks_of(name)}
    settings = {"recipe": _recipe(study, arm), "max_length": tasks, "missing": study.missing}
    if len(tasks) > 1:
        settings["cap"] = arm.cap
    settings |= arm.read | _method_code(study, arm)
    if arm.languages and study.data_source.root:
        settings["translated"] = _translated(study, tasks, arm.languages)
    if arm.entry.module == "mlm":  # its text is in the study's languages, and of no row that is evaluated
        settings["text"] = {
            "languages": study.languages,
            "apart_from": _items(study),
            "length": study.training.max_length,
        }
    if arm.entry.module == "lexical":  # its words are generated whatever the source
        settings["words"] = digests.code_of("stilts_utils/data/lexicon.py")
    if arm.entry.packages:
        settings["packages"] = [digests.pin(package) for package in arm.entry.packages]
    return settings | {"apart_from": _apart_from(study, tasks)}


def _translated(study: Study, names: Iterable[str], languages: Iterable[str]) -> str:
    """A digest of the files of translated training sets, and of the evaluation rows that they are kept apart from."""
    root, patterns = study.data_source.root, set()
    for language in languages:
        patterns |= {_pattern(rows, "") for name in names if (rows := translated(name, language))}
        for entry in map(task, _apart_from(study, names)):
            scored = (rows for rows in (entry.test, entry.validation) if rows and language in entry.languages)
            patterns |= {_pattern(rows, entry.languages[language]) for rows in scored}
    return digests.files({path for pattern in patterns for path in root.glob(pattern)}, root, _known())


def _items(study: Study) -> dict:
    return {name: study.items_of(name) for name in study.targets}


def _finish(study: Study, arm: str) -> dict:
    """How an arm of the target phase goes on with a target."""
    given = study.intermediate[arm] if study.in_target_phase(arm) else None
    return {"finish": given.read | _method_code(study, given)} if given else {}


def _method_code(study: Study, arm: Arm) -> dict:
    """A digest of the code of an arm's method, which nobody imports by name; that of a plugin is in every identity."""
    root = f"stilts_utils/training/methods/{arm.entry.module}.py"
    return {"method_code": code(study, root)} if arm.method != SUPERVISED and (ROOT / root).is_file() else {}


def _plugins(study: Study) -> dict:
    """Version and code of a study's plugins, and the code that draws their rows; by no path of this machine."""
    found = {name: digests.parts_of(str(name.file), *_counted(study)) for name in study.plugins}
    given = {"plugin rows": code(study, "stilts_utils/data/embedded/plugins.py")} if found else {}
    return {f"plugin {name}": [name.version, *parts.values()] for name, parts in found.items()} | given


def _recipe(study: Study, part) -> dict:
    """A recipe without what changes no result, or is said for each task."""
    recipe = dataclasses.asdict(adapt(study.training, part))
    return {name: value for name, value in recipe.items() if name not in ("threads", "max_length")}


def _fit(study: Study, target: str) -> dict:
    fit = study.targets[target]
    settings = {"recipe": _recipe(study, fit), "steps": fit.steps, "missing": study.missing}
    settings |= _exits(study) if study.with_exits(target) else {}
    return settings | {"max_length": study.max_length(target), "apart_from": _apart_from(study, [target])}


def _scored(study: Study, target: str, arm: str) -> dict:
    trainable = task(target).trainable
    settings = _fit(study, target) if trainable else {"max_length": study.max_length(target)}
    settings |= {"items": study.items_of(target), "languages": study.languages, "missing": study.missing}
    settings |= _finish(study, arm)
    if not trainable:
        settings["candidate_context"] = study.candidate_context
    elif arm == PRETRAINED and study.controlled(target):
        settings["control"] = study.durations[1:]
    return settings


def _exits(study: Study) -> dict:
    exits = study.inference.exits
    return {"exits": {name: getattr(exits, name) for name in ("target", "count", "calibration")}}


def _apart_from(study: Study, names: Iterable[str]) -> list[str]:
    """Targets of which the evaluation rows are left out of the training rows; generated rows are apart by construction."""
    if study.source == "embedded":
        return []
    shapes = {task(name).shape for name in names}
    return sorted(name for name in study.targets if task(name).shape in shapes)


def _trained_on(study: Study) -> list[str]:
    return [part for name in study.intermediate for part in study.tasks_of(name)]


def _has_trajectory(study: Study, arm: str) -> bool:
    return arm != PRETRAINED and not study.in_target_phase(arm)


def _named(arm: str, duration: int, seed: int) -> str:
    return f"{arm}-{duration}-s{seed}"


def _starts(study: Study, models: Iterable[tuple]) -> dict[str, str]:
    return {_named(*one): of_intermediate(study, *one).digest for one in models if _has_trajectory(study, one[0])}


def _identity(study: Study, parameters: dict, settings: dict, names: Iterable[str], root: str, starts=None) -> Identity:
    names = sorted(set(names))
    model = {"encoder": study.encoder, "layers": study.layers, "layers_without_bf16": study.layers_without_bf16}
    return Identity(
        parameters=parameters,
        settings={"source": study.source, **model, **settings, **_plugins(study)},
        entries={name: _entry(name) for name in names},
        encoder=_encoder(study),
        data=_data(study, names, _apart_from(study, names)),
        code=harmless.as_declared(study.folder, root, code(study, root)),
        environment=digests.environment(),
        starts=starts or {},
    )


def code(study: Study, root: str) -> str:
    """A digest of the code of a notebook or a module, as far as results of the study depend on it."""
    return digests.code_of(root, *_counted(study))


def files(study: Study, root: str) -> dict[str, str]:
    """That code's files, with a digest of each."""
    return digests.parts_of(root, *_counted(study))


def _counted(study: Study) -> tuple[tuple[str, ...], tuple[str, ...]]:
    without = NO_CODE + (READERS if study.source == "embedded" else GENERATORS)
    return (without if study.inference.forms else without + FORMS), SHOWN


@cache
def _entry(name: str) -> str:
    values = dataclasses.asdict(TASKS[name])
    read = {key: value for key, value in values.items() if key not in DESCRIBES}
    return hashlib.sha256(json.dumps(read, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _encoder(study: Study) -> str:
    """A digest of the files of a local encoder. The packaged one is of a package, whose version the environment has."""
    folder = ROOT / study.encoder
    if study.encoder in ("packaged", "random") or not folder.is_dir():
        return ""
    return digests.files((path for path in folder.iterdir() if path.is_file()), folder, _known())


def _data(study: Study, names: Iterable[str], apart: Iterable[str]) -> str:
    """A digest of the files that a folder has of some tasks, and of the English evaluation rows of others."""
    root = study.data_source.root
    if root is None:
        return ""
    patterns = {_pattern(rows, "*") for name in names for rows in task(name).sets}
    for name in apart:
        entry = task(name)
        scored = (entry.test, entry.english_test, entry.validation)
        patterns |= {_pattern(rows, entry.languages.get(TRAINING_LANGUAGE, "*")) for rows in scored if rows}
    return digests.files({path for pattern in patterns for path in root.glob(pattern)}, root, _known())


def _pattern(rows: HubRows, language: str) -> str:
    return f"{rows.hub}/{rows.config}/{rows.split}.parquet".replace("{language}", language)


def _known() -> Path:
    return cache_folder() / "digests.json"


def _leaves(value, name: str = "") -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
