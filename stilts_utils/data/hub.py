"""Hub data sets from the hub itself, through the cache of the library `datasets`.

No script of a data set is run: a set that consists of one is read from the hub's own conversion to Parquet, which is a
branch of the set with the files `<config>/<split>/*.parquet`.
"""

import os
from functools import lru_cache

import datasets

from stilts_utils.study.source import Source
from stilts_utils.tasks import HubRows

CONVERTED = "refs/convert/parquet"


def count(rows: HubRows, source: Source) -> None:
    """Unknown: only loading tells."""


def read(rows: HubRows, source: Source) -> datasets.Dataset:
    """The set's rows. Raises ValueError naming the set and what to check if it cannot be loaded."""
    return _load(rows.hub, rows.config, rows.split)


@lru_cache(maxsize=32)  # LAReQA reads the sets of all languages for every language
def _load(hub: str, config: str, split: str) -> datasets.Dataset:
    try:
        try:
            return datasets.load_dataset(hub, config, split=split)
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error):
                raise
            files = {split: f"{config}/{split}/*.parquet"}
            return datasets.load_dataset(hub, data_files=files, split=split, revision=CONVERTED)
    except Exception as error:  # network, authorisation, an unknown config or split: each has a type of its own
        reason = (str(error).splitlines() or [""])[0]
        if token := os.environ.get("HF_TOKEN"):
            reason = reason.replace(token, "***")
    raise ValueError(
        f"the hub's data set {hub!r}, config {config!r}, split {split!r} cannot be loaded ({reason}); run "
        "`HF_HUB_OFFLINE=0 make study`, since commands are offline otherwise; check the network, and HF_TOKEN if the set "
        "asks for it; or set `source: mirror`"
    )
