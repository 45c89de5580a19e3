"""Packs a study for a device machine: needs the data, the encoder and the packages of the study."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from stilts_utils import coverage, encoder, provenance, sources, storage
from stilts_utils.batches import encode
from stilts_utils.cells.pack import ABOUT, write_rows
from stilts_utils.cells.rows import Arrays, flatten
from stilts_utils.costs import Costs
from stilts_utils.encoder import EncoderSpec
from stilts_utils.exit_model import places
from stilts_utils.phases import Session
from stilts_utils.study import ROOT, Study
from stilts_utils.tasks import TRAINING_LANGUAGE, task

VALIDATION_ROWS = 2000  # of an intermediate task, at most
WORDS = "embeddings.word_embeddings.weight"


def session_of(study: Study) -> Session:
    """The study opened without weights to train."""
    loaded = encoder.load(EncoderSpec(study.encoder, study.layers))
    return Session(study, loaded, {}, "fp32", Costs("pack", study.name))


def validation_rows(session: Session, intermediate: str):
    """English rows on which an intermediate task is scored itself; its training rows are apart from them."""
    return sources.load(intermediate, TRAINING_LANGUAGE, "validation", limit=VALIDATION_ROWS, **session.study.place)


def encoded_rows(session: Session) -> dict[str, tuple[str, object]]:
    """Every set of rows by its key: the shape of its task, and the tokenised rows."""
    study, tokenizer, found = session.study, session.encoder.tokenizer, {}
    exits = study.inference.exits
    for name in dict.fromkeys((*study.intermediate, *study.targets)):
        entry = task(name)
        for stage in range(entry.stages):
            if exits and exits.target == name:
                rows, held_out = coverage.calibration_rows(study, name, study.seeds[0], exits.calibration)
                asked = encode(session.task(name), held_out, tokenizer, study.max_length(name))
                found[f"calibration/{name}"] = entry.shape, asked
                found[f"train/{name}/{stage}"] = entry.shape, session.lesson(name, rows)
            else:
                found[f"train/{name}/{stage}"] = entry.shape, session.train_rows(name, study.seeds[0], stage)
    for name in study.intermediate:
        options = {"stride": study.training.stride}
        rows = validation_rows(session, name)
        found[f"validation/{name}"] = (
            task(name).shape,
            encode(session.task(name), rows, tokenizer, study.max_length(name), **options),
        )
    return found


def pools_of(evaluation, target: str) -> Arrays:
    """For `Pack.pools`: which queries are of a language, which candidates they meet, and which of these are right."""
    found = {}
    for language, rows in evaluation.rows.items():
        own, pool = evaluation.places[language], evaluation.pools[language]
        place = {row["id"]: i for i, row in enumerate(pool)}
        right = [[place[i] for i in row["right"] if i in place] for row in rows]
        most = max(map(len, right))
        found |= {
            f"pools/{target}/{language}/own": np.array([own.start, own.stop]),
            f"pools/{target}/{language}/pool": np.array(
                [evaluation.texts[row["text"], row["context"]] for row in pool]
            ),
            f"pools/{target}/{language}/right": np.array([each + [-1] * (most - len(each)) for each in right]),
        }
    return found


def pack(study_file: str, folder: Path | str, controls: tuple[str, ...] = ()) -> Path:
    """Write what `run` needs. Raises ValueError where a weight or a token would not be the same."""
    study, folder = Study.load(study_file), Path(folder)
    session = session_of(study)
    encoded, pools = encoded_rows(session), {}
    for name in study.targets:
        evaluation = session.evaluation(name)
        encoded[f"test/{name}"] = task(name).shape, evaluation.encoded
        if not task(name).trainable:
            encoded[f"candidates/{name}"] = "retrieval", evaluation.candidates
            pools |= pools_of(evaluation, name)
    used = {i for _, rows in encoded.values() for row in rows.sequences for sequence in row for i in sequence}
    kept = sorted(used | {session.encoder.tokenizer.pad_token_id})
    number = {old: new for new, old in enumerate(kept)}
    stored = dict(pools)
    for key, (shape, rows) in encoded.items():
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
        "controls": controls,
        "commit": provenance.commit(),
        "pieces": len(kept),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")
    for old in folder.glob("*.yaml"):
        old.unlink()
    shutil.copy(ROOT / study_file, folder)
    return folder


def write_encoder(model: torch.nn.Module, kept: list[int], folder: Path) -> None:
    state = model.state_dict()
    state = {name: tensor.float().cpu().contiguous() for name, tensor in state.items() if tensor.is_floating_point()}
    state[WORDS] = state[WORDS][torch.tensor(kept)].contiguous()
    weights = {name: tensor.numpy() for name, tensor in state.items()}
    restored = storage.unpack(storage.pack(weights, folder))
    for name, values in weights.items():
        if not storage.same_bits(restored[name], values).all():
            raise ValueError(f"weights {name} are not stored bit for bit")
