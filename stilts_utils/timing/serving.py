"""Deployment beyond paired requests: load on LoadGen, vector search, and other forms of a checkpoint.

Each runs in a fresh process, after the paired timings and like them alone on the machine.
"""

import numpy as np
import torch

from stilts_utils.data import sources, study_rows
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.models import hardware
from stilts_utils.models.batches import Encoded, encode, encode_candidates
from stilts_utils.models.checkpoints import copy_into
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.timing import forms, load
from stilts_utils.timing.noise import NoiseWatch, disturbed
from stilts_utils.timing.processes import apart
from stilts_utils.training.evaluation import pooled_layers
from stilts_utils.training.intermediate import start
from stilts_utils.training.session import Session


def served(study: Study, place: Place, seed: int) -> dict[str, list[dict]]:
    """Rows of `scenarios`, `searches` and of `forms`, if the study asks for them. LoadGen's logs stay in the run's folder."""
    timing = study.inference
    count = timing.scenarios.processes if timing.scenarios else 0
    return {
        "scenarios": [row for number in range(1, count + 1) for row in apart(load.tested, study, place, seed, number)],
        "searches": apart(searched, study, place, seed) if timing.search else [],
        **forms.timed(study, place, seed),
    }


def searched(study: Study, place: Place, seed: int) -> list[dict]:
    """Rows of `searches`: exact search against a graph index over the vectors of every duration.

    Queries are those of the timed languages; vectors are means over the states of the last layer, of length 1.
    """
    from stilts_utils.timing import nearest  # with faiss, which nothing else needs

    search, records = study.inference.search, []
    session = Session.open(study, place)
    torch.set_num_threads(hardware.cores())
    has = sources.languages(search.target, study.data_source)
    texts = {name: _texts(study, session, name) for name in study.inference.languages if name in has}
    for arm, duration in study.timed_arms():
        copy_into(session.encoder.trainable(), start(session, arm, duration, seed))
        session.encoder.model.eval()
        for language, (queries, candidates) in texts.items():
            vectors = [_unit(pooled_layers(session.encoder, part)[-1]) for part in (queries, candidates)]
            keys = {"intermediate": arm, "duration": duration, "seed": seed, "target": search.target}
            watch = NoiseWatch().start()
            compared = nearest.compare(*vectors, search.seconds, search.recall)
            keys["disturbed"] = disturbed(watch.stop())
            records.append({**keys, "language": language, "layer": session.encoder.layers, **compared})
    return records


def _texts(study: Study, session: Session, language: str) -> tuple[Encoded, Encoded]:
    target, length = study.inference.search.target, study.max_length(study.inference.search.target)
    pool = study_rows.candidates(study, target, language, study.inference.search.candidates)
    rows = evaluation_rows(study, target, language, study.items_of(target))
    tokenizer = session.encoder.tokenizer
    return encode(session.task(target), rows, tokenizer, length), encode_candidates(list(pool), tokenizer, length)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
