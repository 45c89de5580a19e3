"""Paired timing of one checkpoint in several forms: adapters unmerged against merged, votes of perturbed copies against none.

The protocol is that of `paired`: randomised blocks in one process, forms taking turns with every request in the same memory,
the plain form a second time (A/A) and held for a known share longer (planted), all repeated in fresh processes. The effect is
a ratio to the plain form. What each form decides on the scored rows is compared with it, too.
"""

import torch

from stilts_utils import engines
from stilts_utils.analysis import latency
from stilts_utils.engines import fidelity
from stilts_utils.engines.forms import Form, FormEngine
from stilts_utils.models import encoder, hardware
from stilts_utils.models.checkpoints import Weights
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.place import Place
from stilts_utils.study.settings import BESIDE
from stilts_utils.study.study import Study
from stilts_utils.tasks import task
from stilts_utils.timing import paired
from stilts_utils.timing.noise import NoiseWatch, disturbed
from stilts_utils.timing.paired import Condition
from stilts_utils.timing.processes import apart
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.intermediate import start
from stilts_utils.training.session import Session

TABLES = ("form_timings", "form_scores")


def timed(study: Study, place: Place, seed: int) -> dict[str, list[dict]]:
    """Rows of `form_timings` and, from the first process of the seed, of `form_scores`, if the study asks for them."""
    if not study.formed():
        return {}
    processes = [apart(measure, study, place, seed, number) for number in study.processes(seed)]
    return {name: [row for rows in processes for row in rows[name]] for name in TABLES}


def engine_names(study: Study) -> list[str]:
    """The engines of the study that can deploy other forms here: PyTorch's that do not compile, or the plain one."""
    entries = [ENGINES[name] for name in study.inference.engines]
    able = [entry.name for entry in entries if entry.runtime == "torch" and not entry.compiled]
    return [name for name in able if not engines.unavailable(name)] or ["fp32"]


def forms_of(engine: FormEngine, kind: str, weights: Weights, votes: tuple[int, ...]) -> dict[str, Form]:
    """The forms of a kind by name, the plain one first, under the name of the condition that all are compared with."""
    plain = {latency.ZERO: engine.convert(weights)}
    if kind == "adapters":
        return plain | {BESIDE: engine.beside(weights)}
    return plain | {str(count): engine.voted(weights, count) for count in votes}


def measure(study: Study, place: Place, seed: int, number: int) -> dict[str, list[dict]]:
    """One process: every kind of form by every engine at every batch size."""
    timing, found = study.inference, {name: [] for name in TABLES}
    session, forms, target = Session.open(study, place), study.inference.forms, study.inference.target
    checkpoints = {kind: (*model, _weights(session, kind, *model, seed)) for kind, model in study.formed().items()}
    torch.set_num_threads(hardware.cores())
    first = number == study.processes(seed)[0]
    nth = seed * timing.replicates + number - study.processes(seed)[0]
    for name in engine_names(study):
        loaded = encoder.load(session.encoder.spec, tokenizer=session.encoder.tokenizer)
        given = (ENGINES[name], loaded, task(target), study.max_length(target), study.training.stride)
        engine = FormEngine(*given, adapters="adapters" in checkpoints, radius=forms.radius)
        for kind, (arm, duration, weights) in checkpoints.items():
            converted = forms_of(engine, kind, weights, forms.votes)
            keys = {"seed": seed, "target": target, "engine": name, "kind": kind, "intermediate": arm}
            if first:
                found["form_scores"] += [
                    keys | {"duration": duration} | row for row in _compared(study, engine, converted)
                ]
            controls = {latency.SAME: 0.0, latency.PLANTED: timing.planted}
            visits = [Condition(form, duration, {}, controls.get(form, 0.0)) for form in (*converted, *controls)]
            converted |= dict.fromkeys(controls, converted[latency.ZERO])
            for size in timing.batch_sizes:
                watch = NoiseWatch().start()
                requested = paired.requests(study, size, nth)
                rows, outputs, _ = paired.time_engine(
                    engine, visits, converted, requested, forms.seconds, seed=1000 * number + size
                )
                own = {"replicate": number, "batch_size": size, "disturbed": disturbed(watch.stop())}
                for control in controls:
                    if outputs[control] != outputs[latency.ZERO]:
                        raise RuntimeError(f"engine {name}: {control} decided otherwise than the same form of {kind}")
                found["form_timings"] += [keys | own | row for row in rows]
    return found


def _weights(session: Session, kind: str, arm: str, duration: int, seed: int) -> Weights:
    """A fine-tuned checkpoint, with the factors of the adapters that were merged into it before."""
    weights = fine_tuned(session, session.study.inference.target, arm, duration, seed)
    if kind != "adapters":
        return weights
    begun = start(session, arm, duration, seed)
    return weights | {name: factor for name, factor in begun.items() if name not in session.pretrained}


def _compared(study: Study, engine: FormEngine, converted: dict[str, Form]) -> list[dict]:
    """Every form but the plain one against it, on the scored rows of the timed languages."""
    rows, entry = paired.checked_rows(study), task(study.inference.target)
    outputs = {}
    for form, value in converted.items():
        engine.use(value)
        outputs[form] = {language: fidelity.output(engine, checked) for language, checked in rows.items()}
    plain, found = outputs.pop(latency.ZERO), []
    for form, by_language in outputs.items():
        for language, output in by_language.items():
            compared = fidelity.compare(output, plain[language])
            if converted[form].votes > 1:
                compared["largest_difference"] = 0.0  # votes are no logits
            checked = rows[language]
            score, reference = (fidelity.score(entry, checked, one, language) for one in (output, plain[language]))
            row = {
                "form": form,
                "language": language,
                "items": len(checked),
                "score": score,
                "reference_score": reference,
            }
            found.append(row | compared)
    return found
