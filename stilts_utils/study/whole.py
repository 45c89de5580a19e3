"""Files and folders that are written whole or not at all: a run that is cut off leaves what there was before.

`shared`: several processes may write the same at once, so each has a temporary name of its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _temporary(path: Path, shared: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}{os.getpid() if shared else ''}.tmp")


@contextmanager
def file(path: Path, shared: bool = False) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` when the block ends without an error."""
    temporary = _temporary(path, shared)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder(path: Path, shared: bool = False, keep_failed: bool = False) -> Iterator[Path]:
    """An empty temporary folder, which takes the place of `path` when the block ends without an error.

    If it is shared, a folder that another process has made meanwhile stays. `keep_failed`: after an error the temporary
    folder stays until the next try, for the logs in it.
    """
    temporary = _temporary(path, shared)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if not shared:
            shutil.rmtree(path, ignore_errors=True)
        try:
            temporary.rename(path)
        except OSError:
            if not (shared and path.is_dir()):
                raise
    except BaseException:
        if not keep_failed:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(temporary, ignore_errors=True)
