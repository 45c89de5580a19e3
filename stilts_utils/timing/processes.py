"""Fresh processes, and fresh engines in them: one process is one sample of memory layouts."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from stilts_utils import engines
from stilts_utils.engines import Engine
from stilts_utils.models import encoder
from stilts_utils.study.engines import Deployment
from stilts_utils.tasks import task
from stilts_utils.training.session import Session


def apart(call, *arguments):
    """The result of a module's function in a fresh process, which leaves nothing behind for the next."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def engine_of(session: Session, entry: Deployment, target: str, **options) -> Engine:
    """An engine for a target of the study, over an encoder of its own."""
    study, loaded = session.study, encoder.load(session.encoder.spec, tokenizer=session.encoder.tokenizer)
    return engines.make(entry, loaded, task(target), study.max_length(target), study.training.stride, **options)
