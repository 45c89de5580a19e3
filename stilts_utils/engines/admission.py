"""Whether every engine of a study can take its encoder: asked before anything is trained, which may take hours."""

import torch

from stilts_utils import engines
from stilts_utils.analysis.exit_rules import NEVER
from stilts_utils.engines import fidelity
from stilts_utils.models import admission, encoder, heads
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.models.early_exit import places
from stilts_utils.study.engines import ENGINES, REFERENCE
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tasks import task

LONG, SHORT = admission.TEXTS
ROWS = {  # one row of every shape that engines answer
    "pair": {"text_a": LONG, "text_b": SHORT, "label": 0},
    "choice": {"question": LONG, "choices": [SHORT, LONG], "label": 0},
    "tagging": {"tokens": LONG.split(), "tags": [0] * len(LONG.split())},
    "span": {"context": LONG, "question": SHORT, "answers": {"text": [], "answer_start": []}},
}
TOLERANCE = 1e-3  # of a logit, relative to the largest: engines in float32 that mean the same stay far below


def asked(study: Study) -> list[tuple[str, str, str]]:
    """(field, target, engine) of everything that a study deploys, and the float32 form of what ONNX Runtime quantises."""
    timing = study.inference
    listed = [("inference.engines", timing.target, name) for name in timing.engines]
    if timing.scenarios:
        listed += [("inference.scenarios.engines", timing.target, name) for name in timing.scenarios.engines]
    if timing.exits:
        listed += [("inference.exits", timing.exits.target, name) for name, entry in ENGINES.items() if entry.exits]
    plain = [name for name, entry in ENGINES.items() if entry.runtime == "onnxruntime" and entry.precision == "fp32"]
    exported = [part for part in listed if ENGINES[part[2]].runtime == "onnxruntime"]
    return [(field, target, name) for field, target, _ in exported for name in plain] + listed


def check(study: Study, loaded: encoder.Encoder) -> dict[str, float]:
    """Make every engine of a study over its encoder, of which `loaded` is a copy, and let it answer one short row.

    Returns the largest difference of a logit from the reference, relative to the largest logit, by engine. Those that
    this machine cannot run are left out; what an engine makes once and keeps, such as an exported graph, is not made
    again when it is timed. Raises StudyError, naming field and engine, if one cannot be made, cannot answer, or, in
    float32, does not give the reference's logits.
    """
    found, references, threads = {}, {}, torch.get_num_threads()
    try:
        for field, target, name in asked(study):
            if engines.unavailable(name) or name in found:
                continue
            if target not in references:
                references[target] = _answer(study, loaded, REFERENCE.name, target)
            try:
                output = _answer(study, loaded, name, target)
                difference = fidelity.compare(output, references[target])["largest_difference"]
            except Exception as error:  # a runtime raises whatever it likes
                raise _refusal(field, name, loaded, f"{type(error).__name__}: {error}") from error
            largest = max(float(logits.abs().max()) for logits in references[target].logits)
            found[name] = difference / largest
            if ENGINES[name].precision == "fp32" and not found[name] <= TOLERANCE:
                raise _refusal(
                    field, name, loaded, f"its logits differ from the reference's by {found[name]:.2g} of them"
                )
    finally:
        torch.set_num_threads(threads)
    return found


def _answer(study: Study, loaded: encoder.Encoder, name: str, target: str) -> fidelity.Output:
    """The output of one engine, with the pretrained encoder and a fresh head, for the row of the target's shape."""
    entry, copy = task(target), encoder.load(loaded.spec, tokenizer=loaded.tokenizer)
    layers = places(copy.layers, study.inference.exits.count) if ENGINES[name].exits else ()
    head = heads.TaskModel(copy.model, entry, seed=0).head
    fresh = {f"head.{part}": parameter.detach().clone() for part, parameter in head.named_parameters()}
    if layers:
        fresh = {key.replace("head.", f"head.{n}."): value for key, value in fresh.items() for n in layers}
    weights = snapshot(copy.trainable()) | fresh
    options = {"exits": layers} if layers else {}
    engine = engines.make(ENGINES[name], copy, entry, study.max_length(target), study.training.stride, **options)
    if layers:
        engine.threshold = NEVER
    engine.use(engine.convert(weights))
    return fidelity.output(engine, [ROWS[entry.shape]])


def _refusal(field: str, name: str, loaded: encoder.Encoder, reason: str) -> StudyError:
    return StudyError(
        f"{field} is {name!r}, which cannot take the encoder {loaded.spec.name!r} ({reason}); leave the engine out of the "
        "study file, or change the field `encoder`"
    )
