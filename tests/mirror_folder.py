"""A folder in hub layout that tests fill with rows they make up."""

import pytest
from datasets import Dataset, Features

from stilts_utils.study.source import Source
from stilts_utils.tasks import HubRows


class Mirror:
    """`write(rows, records)` puts the records where the mirror keeps the set; `root` is the folder, `source` reads it."""

    def __init__(self, root):
        self.root = root
        self.source = Source("mirror", root)

    def write(self, rows: HubRows, records: list[dict], features: dict | None = None) -> None:
        file = self.root / rows.hub / rows.config / f"{rows.split}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(records, features=features and Features(features)).to_parquet(file)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.delenv("STILTS_MIRROR", raising=False)
    return Mirror(tmp_path)
