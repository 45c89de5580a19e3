"""Everything that a study reads from its source, and the data sets in hub layout that give the same rows again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from stilts_utils.data import columns, sources, study_rows, task_sets
from stilts_utils.scoring import shortcuts
from stilts_utils.study.source import Source
from stilts_utils.study.study import Study
from stilts_utils.tasks import TRAINING_LANGUAGE, HubRows, counted, task
from stilts_utils.training import pretrained


@dataclass(frozen=True)
class Read:
    """Arguments of `sources.load`, or of `sources.candidates` if `candidates` is true; with the rows it gave."""

    arguments: dict
    candidates: bool
    rows: Dataset

    @classmethod
    def of(cls, source: Source, candidates: bool = False, **arguments) -> "Read":
        function = sources.candidates if candidates else sources.load
        return cls(arguments, candidates, function(source=source, **arguments))

    @property
    def task(self):
        return task(self.arguments["task_name"])

    def again(self, source: Source) -> Dataset:
        """The rows from another source."""
        return Read.of(source, self.candidates, **self.arguments).rows


def evaluated(study: Study) -> list[str]:
    """Tasks whose evaluation rows the study reads: its targets, and the tasks whose tokens phase 1 counts."""
    return sorted({*study.targets, *counted(study.source)})


def of_study(study: Study) -> Iterator[Read]:
    """Every read of the study's runs; one that stands for several asks for the most rows.

    A smaller limit asks for the first of the evaluation rows, and of the training rows of one seed.
    """
    limits = [(seed, study.training.train_rows) for seed in study.seeds] + [(0, shortcuts.MOST_ROWS)]
    for name in study_rows.trained(study):
        for stage in range(task(name).stages):
            for seed, limit in limits:
                stated = {"language": TRAINING_LANGUAGE, "split": "train", "stage": stage, "missing": study.missing}
                yield Read.of(study.data_source, task_name=name, seed=seed, limit=limit, **stated)
    for name in evaluated(study):
        split = sources.evaluation_split(name, study.data_source)
        limits = [study.items_of(name), *study.inference.batch_sizes] if name in study.targets else []
        most = [pretrained.MOST_ITEMS] if name in counted(study.source) else []
        limit = None if most and study.source == "embedded" else max(limits + most)
        for language in sources.languages(name, study.data_source):
            if language in (*study.languages, TRAINING_LANGUAGE) or task(name).pool == "all":
                arguments = {"task_name": name, "language": language, "split": split, "limit": limit}
                yield Read.of(study.data_source, **arguments)
                if not task(name).trainable:
                    yield Read.of(study.data_source, candidates=True, **arguments)


@dataclass
class File:
    """One file in hub layout: who reads it, and the numbers of the rows that are read; None: all."""

    task_name: str
    rows: list[HubRows]
    numbers: set[int] | None


def files(reads: list[Read], source: Source) -> dict[Path, File]:
    """The data sets of some reads, by their path below a mirror.

    Whole stay the sets of retrieval, whose candidates may be any row, English evaluation rows, with which training
    rows are compared, and sets that name their own classes.
    """
    by_path: dict[Path, File] = {}
    for read in reads:
        entry, split = read.task, read.arguments["split"]
        whole = entry.shape == "retrieval" or entry.folder_only
        if split == "train":
            parts, _ = task_sets.training_sets(entry, read.arguments["stage"], source)
        else:
            language = read.arguments["language"]
            parts = [task_sets.rows_of(entry, split, language), entry.candidates]
            parts = [rows for rows in parts if rows]
            whole = whole or language == TRAINING_LANGUAGE
        loaded = set(read.rows["id"])
        for rows in parts:
            prefix = f"{rows}:" if len(parts) > 1 else ""
            file = by_path.setdefault(_path(rows), File(entry.name, [], set()))
            file.rows.append(rows)
            if whole or file.numbers is None:
                file.numbers = None
                continue
            ids = columns.ids(rows, _table(rows, entry.name, source))
            file.numbers |= {number for number, name in enumerate(ids) if f"{prefix}{name}" in loaded}
    return by_path


def _path(rows: HubRows) -> Path:
    return Path(rows.hub) / rows.config / f"{rows.split}.parquet"


def _table(rows: HubRows, name: str, source: Source) -> Dataset:
    return task_sets.reader(task(name), source).read(rows, source)


def write(reads: list[Read], source: Source, folder: Path) -> int:
    """Write the data sets of some reads below a folder, from which `mirror` then gives the same rows. Returns their count.

    A file keeps its number of rows, which decides their order; rows that are not read keep only label and id.

    Raises ValueError if a read from the folder gives other rows.
    """
    count = 0
    for path, file in files(reads, source).items():
        data = _table(file.rows[0], file.task_name, source)
        table = data.with_format("arrow")[:]
        numbers = set(range(len(table))) if file.numbers is None else file.numbers
        stay = {
            rows.columns[name].split(".")[0] for rows in file.rows for name in ("id", "label") if name in rows.columns
        }
        places = pa.array([i if i in numbers else None for i in range(len(table))], pa.int64())
        for i, name in enumerate(table.column_names):
            if name not in stay:
                table = table.set_column(i, name, table[name].take(places))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        table = table.replace_schema_metadata(data.features.arrow_schema.metadata)
        pq.write_table(table, folder / path, compression="zstd", compression_level=12)
        count += len(numbers)
    for read in reads:
        if read.again(Source("mirror", folder)).to_dict() != read.rows.to_dict():
            raise ValueError(f"rows of {read.arguments} from {folder} differ from those of {source}, allowed: the same")
    return count
