"""Progress below the cell that times, for whoever watches: processes done, and seconds left.

The line is written before the first process and between two of them, never while one is timed.
"""

import functools

from stilts_utils.timing import paired
from stilts_utils.training import progress


def show() -> None:
    """Show progress from now on in this kernel, if someone watches."""
    if progress.watched() and not hasattr(paired.replicates, "__wrapped__"):
        paired.replicates = _of_processes(paired.replicates)


def _of_processes(replicates):
    @functools.wraps(replicates)
    def shown(study, place, seed):
        numbers = study.processes(seed)
        line = progress.Line(f"timing {study.inference.target}, seed {seed}", len(numbers), "process")
        apart = paired.apart

        def counted(call, *arguments):
            result = apart(call, *arguments)
            line.update(numbers.index(arguments[-1]) + 1)
            return result

        paired.apart = counted
        try:
            return replicates(study, place, seed)
        finally:
            paired.apart = apart

    return shown
