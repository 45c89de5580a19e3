"""Fresh processes: one process is one sample of memory layouts, and leaves nothing behind for the next."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def apart(call, *arguments):
    """What a module's function returns when a fresh process runs it."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()
