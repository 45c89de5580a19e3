"""Studies with plugins: `plugged` writes their files and loads them. A pytest plugin; registries end as they began."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from stilts_utils import ROOT, engines, tasks
from stilts_utils.data import embedded, task_sets
from stilts_utils.study import engines as deployments
from stilts_utils.study import plugins, study
from stilts_utils.study.study import Study

SMALL = {
    "title": "own",
    "encoder": "random",
    "intermediate": ["temprel"],
    "durations": [0, 2],
    "targets": {"mc_facts": {"steps": 2}},
    "training": {"warmup_steps": 1, "batch_size": 4, "train_rows": 24},
    "items": 8,
    "inference": {"target": "mc_facts", "engines": ["fp32"], "seconds": 0.05},
}
TASK = '''
"""Rows of the plugin's own."""
from stilts_utils.study import plugins
from stilts_utils.tasks import Floor, Task

SHOUT = Task(
    "shout", shape="pair", category="classification", metric="accuracy", roles=("intermediate", "target"),
    asks="is it loud?", labels=("no", "yes"), parallel=True, floor=Floor(60, 50, "Half are loud."),
)


@plugins.rows(SHOUT)
def rows(language, split):
    for i in range(24 if language in ("en", "de") and (split, language) != ("train", "de") else 0):
        yield {"text_a": f"{split} {i}", "text_b": f"{language} {'!' * (i % 2)}", "label": ("no", "yes")[i % 2]}
'''


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """`plugged("x.py", own="code", **changes)`: a study that names x.py, an example of the book or the given code."""
    held = (*plugins.KINDS.values(), plugins.LOADED, *plugins.MARKED.values(), engines.CLASSES)
    held += (embedded.DRAWN, embedded.LISTED, embedded.TRAINED_IN, sys.modules)
    before = [dict(registry) for registry in held]
    monkeypatch.setattr(deployments, "RUNTIMES", deployments.RUNTIMES)
    for module in (tasks, study, task_sets):
        monkeypatch.setattr(module, "LANGUAGES", module.LANGUAGES)

    def make(name: str, own: str = "", **changes) -> Study:
        if own:
            (tmp_path / name).write_text(own, encoding="utf8")
        elif (ROOT / "book" / name).is_file():
            shutil.copy(ROOT / "book" / name, tmp_path)
        file = tmp_path / "own.yaml"
        file.write_text(yaml.safe_dump(SMALL | {"plugins": [name]} | changes, sort_keys=False), encoding="utf8")
        return Study.load(file)

    yield make
    for registry, values in zip(held, before, strict=True):
        for key in set(registry) - set(values):
            if registry is not sys.modules or Path(str(key)).suffix == ".py" or str(key).startswith(plugins.METHODS):
                del registry[key]
