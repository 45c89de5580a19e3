"""Packs a study for a device machine: needs the data, the encoder and the packages of the study."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stilts_utils import ROOT
from stilts_utils.cells import admission
from stilts_utils.cells.pack import ABOUT, read_weights, write_rows, write_weights
from stilts_utils.cells.plan import Plan, Recipe, Work
from stilts_utils.cells.rows import Arrays, flatten
from stilts_utils.data import sources, study_rows
from stilts_utils.models import encoder, packed_weights
from stilts_utils.models.batches import Encoded, encode
from stilts_utils.models.early_exit import places
from stilts_utils.study import whole
from stilts_utils.study.place import Place
from stilts_utils.study.settings import Arm, EncoderSpec, Fit, adapt
from stilts_utils.study.study import Study
from stilts_utils.study.validation import require
from stilts_utils.tables.costs import Costs
from stilts_utils.tasks import Task, task
from stilts_utils.training import provenance
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.rows import evaluation, lesson, training_rows, validation
from stilts_utils.training.session import Session

WORDS = "embeddings.word_embeddings.weight"


def session_of(study: Study) -> Session:
    """The study opened without weights to train."""
    loaded = encoder.load(EncoderSpec(study.encoder, study.layers))
    return Session(study, Place.of(study, "pack"), loaded, {}, "fp32", Costs("pack", study.name))


def encoded_rows(session: Session) -> dict[str, tuple[str, Encoded]]:
    """Every set of rows by its key: the shape of its task, and the tokenised rows."""
    study, tokenizer, encoded = session.study, session.encoder.tokenizer, {}
    exits = study.inference.exits
    for name in dict.fromkeys((*study.intermediate, *study.targets)):
        entry = task(name)
        for stage in range(entry.stages):
            if exits and exits.target == name:
                rows, held_out = study_rows.calibration_rows(study, name, study.seeds[0], exits.calibration)
                calibration = encode(session.task(name), held_out, tokenizer, study.max_length(name))
                encoded[f"calibration/{name}"] = entry.shape, calibration
                encoded[f"train/{name}/{stage}"] = entry.shape, lesson(session, name, rows)
            else:
                encoded[f"train/{name}/{stage}"] = entry.shape, training_rows(session, name, study.seeds[0], stage)
    for name in study.intermediate:
        encoded[f"validation/{name}"] = task(name).shape, validation(session, name).encoded
    return encoded


def pools_of(scored: Evaluation, target: str) -> Arrays:
    """For `Pack.pools`: which queries are of a language, which candidates they meet, and which of these are right."""
    pools = {}
    for language, rows in scored.rows.items():
        queries, pool = scored.places[language], scored.pools[language]
        place = {row["id"]: i for i, row in enumerate(pool)}
        right = [[place[i] for i in row["right"] if i in place] for row in rows]
        most = max(map(len, right))
        pools |= {
            f"pools/{target}/{language}/queries": np.array([queries.start, queries.stop]),
            f"pools/{target}/{language}/pool": np.array([scored.texts[row["text"], row["context"]] for row in pool]),
            f"pools/{target}/{language}/right": np.array([each + [-1] * (most - len(each)) for each in right]),
        }
    return pools


def plan_of(study: Study, entry_of: Callable[[str], Task] = task) -> Plan:
    """The study's numbers for the device machine. `entry_of` gives a task's entry, with its source's labels."""

    def recipe(of) -> Recipe:
        return Recipe(**{field.name: getattr(of, field.name) for field in dataclasses.fields(Recipe)})

    def work(name: str, part: Arm | Fit, steps: tuple[int, ...]) -> Work:
        entry = entry_of(name)
        labels = len(entry.labels)
        outputs = {"pair": labels, "choice": 1, "tagging": labels, "span": 2, "retrieval": 0}[entry.shape]
        return Work(entry.shape, outputs, entry.metrics, steps, recipe(adapt(study.training, part)))

    exits = study.inference.exits
    return Plan(
        seeds=study.seeds,
        durations=study.durations,
        intermediate={name: work(name, arm, study.durations_of(name)) for name, arm in study.intermediate.items()},
        targets={name: work(name, fit, fit.steps) for name, fit in study.targets.items()},
        recipe=recipe(study.training),
        with_exits=exits.target if exits else None,
    )


def study_of(folder: Path) -> Study:
    """The study of a pack, read from its file there."""
    return Study.load(next(Path(folder).glob("*.yaml")).resolve())


def plan_again(study_file: str, folder: Path | str) -> Path:
    """Give a pack the steps, durations, seeds and rates of another study file. Raises StudyError for other changes."""
    study, folder = Study.load(study_file), Path(folder)
    packed, planned = _packed_settings(study_of(folder)), _packed_settings(study)
    for name in packed:
        require(
            planned[name] == packed[name], name, planned[name], f"{packed[name]!r}, as packed; or pack the study anew"
        )
    entries = {name: sources.task(name, study.data_source) for name in (*study.intermediate, *study.targets)}
    _write_plan(study_file, plan_of(study, entries.__getitem__), folder)
    return folder


def _packed_settings(study: Study) -> dict:
    """The settings that packed rows and weights depend on."""
    values = dataclasses.asdict(study)
    names = ("encoder", "layers", "source", "languages", "missing", "items", "candidate_context")
    packed = {name: values[name] for name in names}
    packed |= {f"training.{name}": values["training"][name] for name in ("max_length", "stride", "train_rows")}
    packed |= {"first of seeds": study.seeds[0], "intermediate": list(study.intermediate)}
    packed["targets"] = {name: study.items_of(name) for name in study.targets}
    exits = values["inference"]["exits"] or {}
    return packed | {"inference.exits": {name: exits.get(name) for name in ("target", "count", "calibration")}}


def _write_plan(study_file: str, plan: Plan, folder: Path) -> None:
    """The numbers for the device machine, and the study file for `tables`."""
    file = ROOT / study_file
    text = file.read_bytes()  # it may be the pack's own, edited
    plan.write(folder)
    for old in folder.glob("*.yaml"):
        old.unlink()
    (folder / file.name).write_bytes(text)


def pack(study_file: str, folder: Path | str, controls: tuple[str, ...] = ()) -> Path:
    """Write all that `run` needs. Raises ValueError if a weight or a token would not be the same."""
    study, folder = Study.load(study_file), Path(folder)
    require(not study.plugins, "plugins", study.plugins, "none: a device machine gets a study file and arrays alone")
    for name, arm in study.intermediate.items():
        plain = not arm.read and not arm.tasks
        require(
            plain, f"intermediate.{name}", arm.method, "arms of one English task each: stacked models train no others"
        )
    session = session_of(study)
    admission.check(session.encoder)
    encoded, pools = encoded_rows(session), {}
    for name in study.targets:
        scored = evaluation(session, name)
        encoded[f"test/{name}"] = task(name).shape, scored.encoded
        if not task(name).trainable:
            encoded[f"candidates/{name}"] = "retrieval", scored.candidates
            pools |= pools_of(scored, name)
    used = {i for _, rows in encoded.values() for row in rows.sequences for sequence in row for i in sequence}
    kept = sorted(used | {session.encoder.tokenizer.pad_token_id})
    number = {old: new for new, old in enumerate(kept)}
    stored = dict(pools)
    for key, (shape, rows) in encoded.items():
        if rows.types:
            raise admission.refusal(
                session.encoder, f"rows of {key} have token types, of which stacked models know one"
            )
        arrays = flatten(rows, shape, number)
        if np.array(kept)[arrays["ids"]].tolist() != flatten(rows, "retrieval")["ids"].tolist():
            raise ValueError(f"token ids of {key} are not the same after renumbering")
        stored |= {f"{key}/{name}": values for name, values in arrays.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(stored, folder)
    write_encoder(session.encoder.model, kept, folder)
    config = session.encoder.model.config
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "layer_norm_eps")
    exits = study.inference.exits
    about = {
        "pad": number[session.encoder.tokenizer.pad_token_id],
        "sizes": {name: getattr(config, name) for name in names},
        "exits": places(session.encoder.layers, exits.count) if exits else (),
        "controls": controls or [name for name in study.controls or () if study.controlled(name)],
        "commit": provenance.commit(),
        "pieces": len(kept),
    }
    with whole.file(folder / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")
    _write_plan(study_file, plan_of(study, session.task), folder)
    return folder


def write_encoder(model: torch.nn.Module, kept: list[int], folder: Path) -> None:
    state = model.state_dict()
    state = {name: tensor.float().cpu().contiguous() for name, tensor in state.items() if tensor.is_floating_point()}
    state[WORDS] = state[WORDS][torch.tensor(kept)].contiguous()
    weights = {name: tensor.numpy() for name, tensor in state.items()}
    write_weights(weights, folder)
    restored = read_weights(folder)
    for name, values in weights.items():
        if not packed_weights.same_bits(restored[name], values).all():
            raise ValueError(f"weights {name} are not stored bit for bit")
