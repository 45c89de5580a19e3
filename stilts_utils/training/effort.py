"""What an arm's steps cost: the rows of the table `arms`, and of `training`, from the log of a training."""

COUNTS = ("examples", "tokens", "operations")


def spent(log: list[dict], run: dict, target: str, after: int = 0) -> dict:
    """What the steps of a run's duration cost, of which the first follows `after` others of the same training."""
    counts = {row["step"]: row for row in log}
    begin, end = counts.get(after, dict.fromkeys(COUNTS, 0)), counts[after + run["duration"]]
    return {**run, "target": target, "steps": run["duration"], **{name: end[name] - begin[name] for name in COUNTS}}


def logged(log: list[dict], run: dict) -> list[dict]:
    """Rows of `training` of a run (its keys, and the target)."""
    return [{**run, **{name: value for name, value in row.items() if name != "operations"}} for row in log]
