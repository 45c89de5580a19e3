"""What a stored provenance must hold for its tables to be read: names, types and ranges, whatever else there is beside them.

Everything in it is data that others may have written. Names of studies, arms, tasks, languages and engines are `Name`s, the
rest is text that whoever shows it has to escape.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from stilts_utils.study.validation import Count, CountOr0, Distinct, Durations, Flag, Name, Real, Share, Whole

stored = partial(dataclass, frozen=True, config=ConfigDict(extra="ignore"))
Code = Annotated[str, Field(strict=True, pattern="^[A-Za-z0-9_-]+$")]  # of a language
Key = Annotated[str, Field(strict=True, pattern="^[1-4]_[a-z]+/[A-Za-z0-9_-]+$")]  # of a run
Digest = Annotated[str, Field(strict=True, pattern="^[0-9a-f]{64}$")]


@stored
class Arm:
    durations: Durations | None = None
    tasks: tuple[Name, ...] = ()
    seeds: Distinct[Whole] | None = None


@stored
class Fit:
    steps: tuple[Count, ...]
    items: Count | None = None


@stored
class Training:
    warmup_steps: CountOr0
    train_rows: Count


@stored
class Exits:
    target: Name
    points_lost: Real


@stored
class Search:
    target: Name
    recall: Real


@stored
class Timing:
    target: Name
    languages: Distinct[Code]
    engines: Distinct[Name]
    batch_sizes: Distinct[Count]
    replicates: Count
    margin: Share
    planted: Share
    exits: Exits | None
    search: Search | None
    seeds: Distinct[Whole] | None = None
    processes: dict[str, Distinct[CountOr0]] | None = None


@stored
class Study:
    """The facts of a study, see `stilts_utils.study.facts`."""

    name: Name
    title: str
    source: Name
    languages: Distinct[Code]
    seeds: Distinct[Whole]
    durations: Durations
    items: Count
    hypotheses: tuple[str, ...]
    intermediate: Annotated[dict[Name, Arm], Field(min_length=1)]
    targets: Annotated[dict[Name, Fit], Field(min_length=1)]
    training: Training
    inference: Timing
    candidate_context: Flag = True
    controls: tuple[Name, ...] | None = None


@stored
class Settings:
    plugins: tuple[str, ...] = ()


@stored
class Machine:
    device: str
    cpu: str
    cores: Count


@stored
class Place:
    """Where and when something ran, and by which code."""

    commit: str
    date: str
    machine: Machine


@stored
class Encoder:
    name: str
    layers: Count
    hidden: Count
    parameters: Count
    precision: str


@stored
class Entry:
    """A table's digest and number of rows."""

    sha256: Digest
    rows: CountOr0


@stored
class About(Place):
    """`tables`: those of stored results. `gaps`: what a study asked for and its tables lack, see `completeness`.

    `made`: where and when each run was made. `waiting`: runs that have not ended, see `finished`.
    """

    study: Study
    splits: dict[Name, str]
    encoder: Encoder
    versions: Mapping[str, str]
    runs: tuple[Key, ...]
    settings: Settings = Settings()
    registered: dict[str, tuple[str, str]] = Field(default_factory=dict)
    timed: Place | None = None
    note: str = ""
    tables: dict[str, Entry] | None = None
    gaps: tuple[dict[str, str | int], ...] = ()
    made: dict[Key, Place] = Field(default_factory=dict)
    waiting: tuple[Key, ...] = ()
