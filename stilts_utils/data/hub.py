"""Hub data sets from the hub itself, through the cache of the library `datasets`.

No script of a data set is run: of a set that consists of one, the hub's own conversion to Parquet is read, which is a
branch of the set with the files `<config>/<split>/*.parquet`.
"""

import os
from functools import lru_cache

from stilts_utils.tasks import HubRows

CONVERTED = "refs/convert/parquet"


def count(rows: HubRows, root: object = None) -> None:
    """Unknown: only loading tells."""


def read(rows: HubRows, root: object = None) -> "datasets.Dataset":  # noqa: F821
    """The set's rows. Raises ValueError naming the set and what to check where it cannot be loaded."""
    return _load(rows.hub, rows.config, rows.split)


@lru_cache(maxsize=32)  # LAReQA reads the sets of all languages for every language
def _load(hub: str, config: str, split: str) -> "datasets.Dataset":  # noqa: F821
    import datasets

    try:
        try:
            return datasets.load_dataset(hub, config, split=split)
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error):
                raise
            files = {split: f"{config}/{split}/*.parquet"}
            return datasets.load_dataset(hub, data_files=files, split=split, revision=CONVERTED)
    except Exception as error:  # network, authorisation, an unknown config or split: each has a type of its own
        said = (str(error).splitlines() or [""])[0]
        if token := os.environ.get("HF_TOKEN"):
            said = said.replace(token, "***")
    raise ValueError(
        f"the hub's data set {hub!r}, config {config!r}, split {split!r} cannot be loaded ({said}); run "
        "`HF_HUB_OFFLINE=0 make study`, since commands are offline otherwise, check the network, and HF_TOKEN where the set "
        "asks for it; or set `source: mirror`"
    )
