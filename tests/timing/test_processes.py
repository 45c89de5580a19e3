from stilts_utils import engines
from stilts_utils.timing.processes import apart

pytest_plugins = ["tests.own_plugins"]


def runtime_of(study):
    """In a fresh process, which knows no more than it is sent."""
    (name,) = study.inference.engines
    return engines.CLASSES[engines.ENGINES[name].runtime]().__name__


def test_a_fresh_process_has_the_engines_of_the_studys_plugins(plugged):
    study = plugged("example_engine.py", inference={"target": "mc_facts", "engines": ["one_core"]})
    assert apart(runtime_of, study) == "OneCore"
