"""MLPerf Inference scenarios of an engine on MLCommons LoadGen: SingleStream, Offline, Server and accuracy mode.

LoadGen draws the samples, issues them, keeps the clock and writes the logs from which every result is read (Reddi et
al. 2020, MLPerf Inference Benchmark). Text in, decisions out, and no query is answered from a cache: repeated samples
are computed again. LoadGen keeps global state, so a process runs one test at a time.
"""

import hashlib
import json
import threading
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stilts_utils.engines import Engine
from stilts_utils.study import whole

OFFICIAL_S = 600.0  # mlperf.conf: the shortest official run
LEAST_QUERIES = 100  # of SingleStream and Server: LoadGen's default, and the fewest that have a p99
MOST_OFFLINE = 24576  # mlperf.conf: an official Offline run has every row, or this many samples if there are more
SLACK = 1.25  # the accuracy run is the engine's first: later ones may be faster, and must still last long enough
SPARE = 10  # SingleStream draws this many times the queries that it is expected to need: to run out of them is an error
LOWEST = 1 / 16  # of the Offline throughput: where the bracket of Server rates begins
STEPS = 6  # halve the bracket in the log of the rate to a factor of 16 ** (1 / 64) = 1.044
DIGEST = 8  # bytes of a decision's hash, which is the response that LoadGen gets
DETAIL, ACCURACY = "mlperf_log_detail.txt", "mlperf_log_accuracy.json"


@dataclass(frozen=True)
class Load:
    """How LoadGen loads an engine. Raises ValueError for a value that is not allowed.

    `seconds`: the least duration of a timed run. `bound_s`: the largest p99 latency of Server, in seconds. `batch`:
    the most samples in one request to the engine. `seed`: of the samples drawn and of the Poisson arrivals.
    """

    seconds: float
    bound_s: float
    batch: int
    seed: int

    def __post_init__(self):
        for name, least in (("seconds", 0.001), ("bound_s", 1e-6), ("batch", 1), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} of a load is {getattr(self, name)}, allowed: {least} or more")


def digest(decision) -> bytes:
    """The hash of a decision, `DIGEST` bytes."""
    return hashlib.sha256(json.dumps(decision).encode()).digest()[:DIGEST]


def largest_rate(within: Callable[[float], bool], high: float) -> float:
    """The largest rate tried that is `within` the bound, or 0 if none is; the unit is that of `high`.

    `high` is tried first, and is the answer if it is within: no higher rate can be kept up. Otherwise `STEPS`
    bisections in the log of the rate, from `LOWEST * high` to `high`.
    """
    if within(high):
        return high
    low, best = LOWEST * high, 0.0
    for _ in range(STEPS):
        rate = (low * high) ** 0.5
        if within(rate):
            low = best = rate
        else:
            high = rate
    return best


def read_log(path: Path) -> dict:
    """Key -> value of LoadGen's detail log. Raises RuntimeError if LoadGen logged an error."""
    lines = path.read_text(encoding="utf8").splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines if line.startswith(":::MLLOG ")]
    for entry in entries:
        if entry["metadata"]["is_error"]:
            raise RuntimeError(f"LoadGen: {entry['key']}: {entry['value']}; see {path}")
    return {entry["key"]: entry["value"] for entry in entries}


def _loadgen():
    try:
        import mlperf_loadgen
    except ImportError as error:
        install = "`pip install -c constraints.txt mlcommons-loadgen`"
        raise ModuleNotFoundError(f"MLPerf scenarios need the package mlcommons-loadgen: {install}") from error
    return mlperf_loadgen


class SystemUnderTest:
    """An engine behind a queue: one worker thread takes all that waits, up to `batch` samples, and answers it.

    The samples of a query are queued in order of their rows' length, on the clock; only one of Offline has several.
    `decided` are the hashes of the decisions of every row since it was last emptied, by its index.
    """

    def __init__(self, engine: Engine, rows: list[dict], batch: int):
        self.loadgen = _loadgen()
        self.engine, self.rows, self.batch = engine, rows, batch
        self.decided: dict[int, set[bytes]] = defaultdict(set)
        self.error: Exception | None = None
        self._waiting: deque[tuple[int, int]] = deque()  # LoadGen's id of the response, index of the row
        self._changed, self._closed = threading.Condition(), False
        self._worker = threading.Thread(target=self._work, name="system under test", daemon=True)

    def __enter__(self) -> "SystemUnderTest":
        self._worker.start()
        return self

    def __exit__(self, *_) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._worker.join()

    def issue(self, samples) -> None:
        """Queue the samples of a query: LoadGen calls this."""
        queued = sorted((len(str(self.rows[sample.index])), sample.id, sample.index) for sample in samples)
        with self._changed:
            self._waiting.extend(one[1:] for one in queued)
            self._changed.notify()

    def _work(self) -> None:
        while taken := self._take():
            self._answer(taken)

    def _take(self) -> list[tuple[int, int]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return [self._waiting.popleft() for _ in range(min(self.batch, len(self._waiting)))]

    def _answer(self, taken: list[tuple[int, int]]) -> None:
        responses = [bytes(DIGEST)] * len(taken)
        if self.error is None:
            try:
                decisions = self.engine.answer([self.rows[index] for _, index in taken]).decisions
                for place, ((_, index), decision) in enumerate(zip(taken, decisions, strict=True)):
                    responses[place] = digest(decision)
                    self.decided[index].add(responses[place])
            except Exception as error:  # kept for the caller: LoadGen waits for ever for a sample without a response
                self.error = error
        data = array("B", b"".join(responses))  # must outlive the call, in which LoadGen copies it
        address, made = data.buffer_info()[0], self.loadgen.QuerySampleResponse
        self.loadgen.QuerySamplesComplete(
            [made(response, address + DIGEST * place, DIGEST) for place, (response, _) in enumerate(taken)]
        )

    def test(self, folder: Path, scenario: str, mode: str, load: Load, **settings) -> dict:
        """One LoadGen test with `settings` of its `TestSettings`, logged in a folder. Returns `read_log`'s dict.

        Raises RuntimeError if the engine failed.
        """
        options, logs = self.loadgen.TestSettings(), self.loadgen.LogSettings()
        options.scenario = getattr(self.loadgen.TestScenario, scenario)
        options.mode = getattr(self.loadgen.TestMode, mode)
        seeds = dict.fromkeys(("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"), load.seed)
        for name, value in {"min_duration_ms": round(1000 * load.seconds), **seeds, **settings}.items():
            setattr(options, name, value)
        folder.mkdir(exist_ok=True)
        logs.log_output.outdir, logs.log_output.copy_summary_to_stdout, logs.enable_trace = str(folder), False, False
        system = self.loadgen.ConstructSUT(self.issue, lambda: None)
        library = self.loadgen.ConstructQSL(len(self.rows), len(self.rows), lambda _: None, lambda _: None)
        try:
            self.loadgen.StartTestWithLogSettings(system, library, options, logs)
        finally:
            self.loadgen.DestroyQSL(library)
            self.loadgen.DestroySUT(system)
        if self.error is not None:
            raise RuntimeError(f"the engine failed in {scenario} ({mode}): {self.error!r}") from self.error
        return read_log(folder / DETAIL)


# The function of a scenario returns metric -> value, and the log with the values.
def _single_stream(system: SystemUnderTest, folder: Path, load: Load, expected: float) -> tuple[dict, dict]:
    settings = {"min_query_count": LEAST_QUERIES, "single_stream_expected_latency_ns": round(1e9 / (SPARE * expected))}
    log = system.test(folder, "SingleStream", "PerformanceOnly", load, **settings)
    return {"p90_s": log["result_90.00_percentile_latency_ns"] / 1e9}, log


def _offline(system: SystemUnderTest, folder: Path, load: Load, expected: float) -> tuple[dict, dict]:
    """Every row equally often, as mlperf.conf asks for inputs that differ in length."""
    least = min(len(system.rows), MOST_OFFLINE)
    settings = {"min_query_count": least, "offline_expected_qps": expected, "sample_concatenate_permutation": True}
    log = system.test(folder, "Offline", "PerformanceOnly", load, **settings)
    return {"samples_per_second": float(log["result_samples_per_second"])}, log


def _server(system: SystemUnderTest, folder: Path, load: Load, high: float) -> tuple[dict, dict]:
    """Every rate tried has a folder of its own, numbered from 0. With no rate within the bound, the last one's p99."""
    logs: dict[float, dict] = {}

    def within(rate: float) -> bool:
        bound = {"server_target_latency_ns": round(1e9 * load.bound_s), "server_target_latency_percentile": 0.99}
        settings = {"min_query_count": LEAST_QUERIES, "server_target_qps": rate, **bound}
        logs[rate] = system.test(folder / str(len(logs)), "Server", "PerformanceOnly", load, **settings)
        return logs[rate]["result_perf_constraints_met"]

    rate = largest_rate(within, high)
    log = logs.get(rate, list(logs.values())[-1])
    return {"queries_per_second": rate, "p99_s": log["result_99.00_percentile_latency_ns"] / 1e9}, log


def run(engine: Engine, rows: list[dict], folder: Path, load: Load) -> list[dict]:
    """All scenarios of an engine that already uses a checkpoint, over evaluation rows: one row per (scenario, metric).

    SingleStream has `p90_s`, the p90 latency of one sample at a time, and Offline `samples_per_second`. Server has
    `queries_per_second`, the largest Poisson rate whose p99 latency, counted from the scheduled arrival, is at most
    `load.bound_s`, found by `largest_rate` from the Offline throughput down, and `p99_s`, that latency. Accuracy has
    `agreement`, the share of rows (0-1) that every timed run decided as the accuracy run did; Offline has all rows.

    `samples` is the number behind the value, `seconds` the least duration asked for, and `bound_s` is 0 if there is
    none. `official`: the run is one of 600 s or more that LoadGen calls valid, minimum counts and early stopping
    included. `validated`: the scenario's timed decisions are those in LoadGen's accuracy log. Decisions of one row in
    batches of other rows may differ in the last bits of its logits, which `agreement` shows.

    LoadGen's logs stay in `folder/<scenario>/`, those of Server in one folder a rate; former ones are replaced.
    Raises ValueError for no rows, ModuleNotFoundError without LoadGen, and RuntimeError if the engine fails.
    """
    if not rows:
        raise ValueError("rows of the scenarios are none, allowed: one or more")
    records, timed = [], {}
    with SystemUnderTest(engine, rows, load.batch) as system:
        with whole.folder(folder / "Accuracy", keep_failed=True) as logs:
            began = time.perf_counter()  # only for the rate that LoadGen is told to expect
            system.test(logs, "Offline", "AccuracyOnly", load)
            expected = SLACK * len(rows) / (time.perf_counter() - began)
        right = _accurate(folder)
        for scenario, measure in (("SingleStream", _single_stream), ("Offline", _offline), ("Server", _server)):
            system.decided.clear()
            with whole.folder(folder / scenario, keep_failed=True) as logs:
                values, log = measure(system, logs, load, expected)
            expected = values.get("samples_per_second", expected)  # Server begins at what Offline reached
            same = timed[scenario] = _same(system, right)
            records += _rows(scenario, values, load, **_about(log, load), validated=all(same.values()))
    agreeing = [all(same.get(index, True) for same in timed.values()) for index in range(len(rows))]
    flags = {flag: all(row[flag] for row in records) for flag in ("official", "validated")}
    return records + _rows("Accuracy", {"agreement": sum(agreeing) / len(rows)}, load, samples=len(rows), **flags)


def offline(engine: Engine, rows: list[dict], folder: Path, load: Load, before: list[dict]) -> list[dict]:
    """Offline once more, after a `run` of the same checkpoint in `folder`, whose records `before` are: its row of `run`.

    LoadGen's logs replace those of the last time.
    """
    expected = next(row["value"] for row in before if row["metric"] == "samples_per_second")
    with SystemUnderTest(engine, rows, load.batch) as system:
        with whole.folder(folder / "Turns", keep_failed=True) as logs:
            values, log = _offline(system, logs, load, expected)
        same = _same(system, _accurate(folder))
    return _rows("Offline", values, load, **_about(log, load), validated=all(same.values()))


def _accurate(folder: Path) -> dict[int, set[bytes]]:
    """The decisions of LoadGen's accuracy run, by the index of their row."""
    logged = json.loads((folder / "Accuracy" / ACCURACY).read_text(encoding="utf8"))
    return {entry["qsl_idx"]: {bytes.fromhex(entry["data"])} for entry in logged}


def _same(system: SystemUnderTest, right: dict[int, set[bytes]]) -> dict[int, bool]:
    return {index: made == right.get(index) for index, made in system.decided.items()}


def _about(log: dict, load: Load) -> dict:
    official = load.seconds >= OFFICIAL_S and log["result_validity"] == "VALID"
    return {"samples": log["result_query_count"] * log["generated_samples_per_query"], "official": official}


def _rows(scenario: str, values: dict[str, float], load: Load, **rest) -> list[dict]:
    rest |= {"seconds": float(load.seconds), "bound_s": float(load.bound_s) if scenario == "Server" else 0.0}
    return [{"scenario": scenario, "metric": name, "value": value, **rest} for name, value in values.items()]
