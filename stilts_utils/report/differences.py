"""In what two studies differ, by their provenances: settings, machines, versions."""

from collections.abc import Callable

from stilts_utils.report.formats import listed

LONGEST = 5  # more values than these are counted


def settings(first: dict, second: dict) -> list[tuple[str, str, str]]:
    """(setting, the first study's, the second's) of the settings that differ; of versions, those that both name."""
    rows = [(name, read(first), read(second)) for name, read in SETTINGS.items()]
    both = first["versions"].keys() & second["versions"].keys()
    rows += [(name, *(about["versions"][name] for about in (first, second))) for name in sorted(both)]
    return [(name, *_said(a, b)) for name, a, b in rows if a != b]


def machines(about: dict) -> list[tuple[str, str]]:
    """(what was done, where, when and by which commit) of a study."""
    timed = [("timed", _place(about["timed"]))] if "timed" in about else [("timed", "not timed")]
    return [("trained", _place(about)), *timed]


def _place(about: dict) -> str:
    machine = about["machine"]
    device = machine["cpu"] if machine["device"] == "CPU" else machine["device"]
    bf16 = f", bf16 by {machine['bf16']}" if machine.get("bf16", "none") not in ("none", None) else ""
    return f"{device}, {machine['cores']} cores{bf16}, {about['date']}, commit {about['commit']}"


def _said(first, second) -> tuple[str, str]:
    """Two values as texts; of long lists, what is only in one."""
    if isinstance(first, tuple) and isinstance(second, tuple) and max(len(first), len(second)) > LONGEST:
        return tuple(_counted(own, set(own) - set(other)) for own, other in ((first, second), (second, first)))
    return _text(first), _text(second)


def _counted(values: tuple, alone: set) -> str:
    some = sorted(map(str, alone))
    shown = f"{', '.join(some[:LONGEST])}{' and others' * (len(some) > LONGEST)}"
    return f"{len(values)}" + f", alone {shown}" * bool(some)


def _text(value) -> str:
    if isinstance(value, tuple):
        return listed(map(_text, value)) or "none"
    return "none" if value is None else str(value)


def _of_study(*names: str) -> Callable[[dict], object]:
    def read(about: dict):
        value = about["study"]
        for name in names:
            value = value and value.get(name)
        return tuple(value) if isinstance(value, list | tuple) else value

    return read


def _targets(about: dict) -> tuple[str, ...]:
    fits = about["study"]["targets"].items()
    return tuple(f"{name} ({sum(fit['steps'])} steps)" if fit["steps"] else name for name, fit in fits)


def _arms(about: dict) -> tuple[str, ...]:
    return tuple(about["study"]["intermediate"])


def _encoder(name: str) -> Callable[[dict], object]:
    return lambda about: about["encoder"].get(name)


SETTINGS: dict[str, Callable[[dict], object]] = {
    "source of rows": _of_study("source"),
    "encoder": _encoder("name"),
    "layers": _encoder("layers"),
    "hidden size": _encoder("hidden"),
    "training precision": _encoder("precision"),
    "intermediate tasks": _arms,
    "durations": _of_study("durations"),
    "seeds": _of_study("seeds"),
    "warm-up steps": _of_study("training", "warmup_steps"),
    "training rows at most": _of_study("training", "train_rows"),
    "targets": _targets,
    "items": _of_study("items"),
    "languages": _of_study("languages"),
    "timed target": _of_study("inference", "target"),
    "timed languages": _of_study("inference", "languages"),
    "engines": _of_study("inference", "engines"),
    "batch sizes": _of_study("inference", "batch_sizes"),
    "timing processes": _of_study("inference", "replicates"),
    "margin": _of_study("inference", "margin"),
    "target of early exit": _of_study("inference", "exits", "target"),
    "target of search": _of_study("inference", "search", "target"),
}
