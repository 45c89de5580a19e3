"""Tables of the book on what was run: coverage, rows that were left out, runs and where they were made, software and inputs."""

import re
from collections import Counter

import pandas as pd

from stilts_utils.analysis.findings import Findings
from stilts_utils.report.columns import MOST_ROWS, Table, stated, table
from stilts_utils.report.escape import Markup
from stilts_utils.report.formats import listed
from stilts_utils.report.languages import named

PHASES = {
    "1_pretrained": "pretrained",
    "2_intermediate": "intermediate",
    "3_target": "target",
    "4_inference": "inference",
}
TIMED = "4_inference"
RUN = re.compile(r"(?P<phase>[^/]+)/(?P<arm>.+?)(?:-(?P<duration>\d+))?(?:-s(?P<seed>\d+))?")
MOST_DIGESTS = 3  # of the runs of a row, that a page spells out


def every(findings: Findings) -> dict[str, Table]:
    """Table name -> table."""
    return {
        "coverage": coverage(findings),
        "left_out": left_out(findings.tables["left_out"]),
        "runs": runs(findings.provenance),
        "provenance": provenance(findings.provenance),
    }


def coverage(findings: Findings) -> Table:
    """How many languages every target is scored in, and why not in the others; the data are a row per target and language."""
    study, lacking = findings.study, findings.tables["lacking"]
    scored = set(zip(findings.quality.target, findings.quality.language, strict=True))
    reasons = lacking.groupby(["target", "language"]).reason.agg("; ".join).to_dict()
    asked = {(target, language): None for target in study["targets"] for language in study["languages"]} | reasons
    data = pd.DataFrame(list(asked), columns=["target", "language"])
    data = data.assign(scored=[pair in scored for pair in asked], reason=[reasons.get(pair, "") for pair in asked])
    rows = [(target, *_covered(cells)) for target, cells in data.groupby("target", sort=False)]
    columns = {
        "Task": "target",
        "Languages scored": "scored",
        "Not in its data set": "without",
        "Lacking in this source": "lost",
    }
    return table(pd.DataFrame(rows, columns=["target", *list(columns.values())[1:]]), columns, data=data)


def _covered(cells: pd.DataFrame) -> tuple[int, int, str]:
    """Languages that are scored, how many the data set does not have, and the names of those that its source lacks."""
    absent = cells[~cells.scored]
    lost = ~(absent.reason.str.endswith("does not have the language") | (absent.reason == ""))
    return int(cells.scored.sum()), int((~lost).sum()), listed(map(named, absent.language[lost])) or "none"


def left_out(rows: pd.DataFrame) -> Table:
    """Rows that the study does without, by task and reason."""
    if rows.empty:
        return stated("No row was left out.", rows)
    how = {"language": list, "rows": "sum", "of": "sum"}
    columns = {
        "Task": "task",
        "Languages": lambda row: ", ".join(row.language),
        "Rows left out": lambda row: f"{row.rows:,}",
        "Of": lambda row: f"{row.of:,}",
        "Reason": "reason",
    }
    return table(rows.groupby(["task", "reason"], as_index=False, sort=False).agg(how), columns, data=rows)


def runs(about: dict) -> Table:
    """Where every run was made, a row per phase, arm and seed; per phase and arm, or per phase, if these are too many.

    The rows have anchors: `run-<phase>`, which for a phase without runs, such as that of the findings, is the first row.
    """
    made = about.get("made") or dict.fromkeys(about["runs"] or _expected(about["study"], "timed" in about))
    data = pd.DataFrame([_recorded(key, run or _place(key, about)) for key, run in made.items()])
    keys = ["phase", "arm", *["seed"] * data.identity.any()]
    while len(keys) > 1 and len(data.drop_duplicates(keys)) > MOST_ROWS:
        keys.pop()
    shown = pd.DataFrame([_group(rows) for _, rows in data.groupby(keys, sort=False)])
    first = dict(shown.reset_index().groupby("phase").index.min())
    led = {place: [phase] for phase, place in first.items()}
    led[0] += [phase for phase in (*PHASES, "5_findings") if phase not in first]
    columns = {
        "Phase": lambda row: _anchored(row.phase, led.get(row.Index, [])),
        "Arm or target": "arm",
        "Seeds": "seeds",
        "Runs": "runs",
        "Commit, date": lambda row: f"{row.commit}, {row.date}",
        "Machine": "machine",
        "Identity": "identity",
    }
    return table(shown, columns, data=data)


def _anchored(phase: str, led: list[str]) -> str:
    """The name of a phase, and where links to the runs of some phases lead."""
    anchors = "".join(f'<span id="run-{Markup.PREFIX}{name}"></span>' for name in led)
    return Markup(anchors + PHASES.get(phase, phase))


def _group(rows: pd.DataFrame) -> dict:
    """One row of a page for some runs of a phase."""
    digests = [digest for digest in rows.identity if digest]
    if not digests:
        identity = "not recorded"
    else:
        identity = ", ".join(digests) if len(digests) <= MOST_DIGESTS else f"{len(digests)}, in the data"
    texts = {name: listed(dict.fromkeys(rows[name].astype(str))) for name in ("commit", "date", "machine")}
    seeds = ", ".join(dict.fromkeys(seed for seed in rows.seed if seed))
    first = rows.iloc[0]
    return {
        "phase": first.phase,
        "arm": first.arm,
        "seeds": seeds,
        "runs": rows.runs.sum(),
        "identity": identity,
    } | texts


def _recorded(key: str, run: dict) -> dict:
    """A row for a run, from what it recorded of itself."""
    parts = {name: text or "" for name, text in RUN.fullmatch(key).groupdict().items()}
    place = {"commit": run["commit"], "date": run["date"], "machine": _machine(run["machine"])}
    return {"run": key, **parts, "runs": 1, **place, "identity": run.get("digest", "")}


def _place(key: str, about: dict) -> dict:
    """Where a run was made that recorded nothing: all were made in one place, or timed in another."""
    return about["timed"] if key.startswith(TIMED) and "timed" in about else about


def _expected(study: dict, timed: bool) -> list[str]:
    """The runs of a study that recorded none, but for the durations, of which each is a run of phase 3."""
    arms = {name: arm.get("seeds") or study["seeds"] for name, arm in study["intermediate"].items()}
    runs = ["1_pretrained/baseline"]
    runs += [
        f"{phase}/{arm}-s{seed}"
        for phase in ("2_intermediate", "3_target")
        for arm, seeds in arms.items()
        for seed in seeds
    ]
    return runs + [f"{TIMED}/{study['inference']['target']}-s{seed}" for seed in study["seeds"] if timed]


def _machine(machine: dict) -> str:
    device, cpu = machine.get("device", ""), machine["cpu"]
    return cpu if device in ("", "CPU") else f"{device}, {cpu}"


def provenance(about: dict) -> Table:
    """Software and inputs of a study, a row per group; the data have a row per value."""
    rows = [("commit", "", about["commit"]), ("date", "", about["date"]), ("study", "", about["study"]["name"])]
    rows += [("note", "", about["note"])] if "note" in about else []
    for group in ("machine", "encoder", "versions"):
        rows += [(group, name, value) for name, value in about[group].items()]
    timed = {**about["timed"], **about["timed"]["machine"]} if "timed" in about else {}
    rows += [("timings", name, value) for name, value in timed.items() if name != "machine"]
    rows += [("runs made on", where, count) for where, count in _places(about.get("made", {})).items()]
    if waiting := about.get("waiting"):
        rows += [("runs that are still to come", "", ", ".join(waiting))]
    said = [row for row in rows if row[2] is not None]
    data = pd.DataFrame(said, columns=["group", "name", "value"]).astype(str)
    shown = data.assign(text=[f"{row.name} {row.value}".strip() for row in data.itertuples(name="Row", index=False)])
    shown = shown.groupby("group", sort=False).text.agg("; ".join).reset_index()
    return table(shown, {"What": "group", "Value": "text"}, data=data)


def _places(made: dict[str, dict]) -> Counter:
    """How many runs were made by each machine, date and commit."""
    places = ((run["machine"]["cpu"], run["date"], run["commit"]) for run in made.values())
    return Counter(f"{cpu}, {date}, commit {commit}" for cpu, date, commit in places)
