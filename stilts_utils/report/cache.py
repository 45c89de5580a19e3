"""Reports of stored tables, each kept by digests of its tables, of the code that reads them and of the environment."""

import hashlib
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from stilts_utils.analysis import findings
from stilts_utils.report import numbers
from stilts_utils.study.settings import cache_folder
from stilts_utils.tables import digests


def reports(folders: Iterable[Path]) -> dict[str, Path | BaseException]:
    """Name of a folder of tables -> the folder of its report, or why it has none.

    Reports that are missing are made, side by side.
    """
    places = {folder: place(folder) for folder in folders}
    missing = [folder for folder in places if not (places[folder] / numbers.FILE).is_file()]
    if missing:
        # Processes of their own, started afresh: pyarrow's threads do not survive a fork.
        with ProcessPoolExecutor(min(len(missing), 4), multiprocessing.get_context("spawn")) as pool:
            made = {folder: pool.submit(_make, folder, places[folder]) for folder in missing}
        places |= {folder: error for folder, one in made.items() if (error := one.exception())}
    return {folder.name: report for folder, report in places.items()}


def place(folder: Path) -> Path:
    """Where the report of a folder of tables is kept: another place for other tables, code or versions."""
    digest = hashlib.sha256(f"{digests.contents(folder)} {_maker()}".encode()).hexdigest()[:16]
    return cache_folder() / "reports" / f"{folder.name}-{digest}"


@cache
def _maker() -> str:
    return f"{digests.code_of('stilts_utils/report/numbers.py')} {digests.environment()}"


def _make(folder: Path, report: Path) -> None:
    numbers.write(findings.analyse(folder), report, shared=True)
