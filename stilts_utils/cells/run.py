"""Trains and asks every model of a packed study's cells on one device within a time, several jobs side by side.

Results go into `results-<n>.tar` as they come: what is there when time is up is whole.

Processes take turns on a GPU, each with all of it: few with large stacks are best. On an H200, 10 models in one process
made about 345 steps of XNLI a second together, and 12 processes of 2 to 6 models no more than that; layers compiled for
variable shapes were slower than eager ones.
"""

import io
import json
import multiprocessing
import os
import platform
import queue
import shutil
import tarfile
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stilts_utils.cells.jobs import Device, Job, start_name
from stilts_utils.cells.pack import Pack
from stilts_utils.records import PRETRAINED
from stilts_utils.tasks import task

LARGEST = 14e6  # bytes of a file of results
TRAINED_FIRST = ("xnli", "xquad", "panx", "udpos", "tydiqa", "xcopa")  # of the targets, those that take longest


def jobs_of(study, seeds: tuple[int, ...]) -> list[Job]:
    """All jobs of some seeds, in the order in which they are begun: as early as their starts allow, long ones first."""

    def arms(intermediates, durations):
        return tuple((name, duration, seed) for name in intermediates for duration in durations for seed in seeds)

    names = tuple(study.intermediate)
    jobs = [Job("trajectory", name, arms([name], study.durations_of(name)[-1:])) for name in reversed(names)]
    targets = sorted(study.targets, key=lambda name: (*TRAINED_FIRST, name).index(name))

    def asked(group, after=()):
        return [Job("fit" if task(name).trainable else "retrieve", name, group, frozenset(after)) for name in targets]

    jobs += asked(arms([PRETRAINED], [0]))
    durations = study.durations[1:]
    apart = [(name,) for name in names]
    for group, sets in ((durations[:-2], apart), (durations[-2:-1], [names]), (durations[-1:], apart)):
        for few in sets if group else []:
            jobs += asked(arms(few, group), [start_name(name, duration) for name in few for duration in group])
    return jobs


def work(place: int, folder: str, study: str | None, starts: str, options: dict, tasks, messages) -> None:
    """A worker: runs the jobs it is sent until it is sent None."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="grad and param do not obey")  # rows of a stack lie apart
    try:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every shape
        at = Device(Pack(folder, study), Path(starts), device, getattr(torch, options["dtype"]), options["compiled"])
        messages.put(("ready", place, "", None))
        while (job := tasks.get()) is not None:
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()

            def send(name, arrays):
                raw = io.BytesIO()
                if arrays:
                    np.savez_compressed(raw, **arrays)
                messages.put(("result", place, name, raw.getvalue()))

            began = time.perf_counter()
            try:
                at.run(job, send)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                messages.put(("failed", place, traceback.format_exc(), True))
            else:
                messages.put(("done", place, str(job), time.perf_counter() - began))
    except Exception:  # the worker is of no more use
        messages.put(("failed", place, traceback.format_exc(), False))


@dataclass
class Results:
    """Files of results, the next one begun when one is full."""

    folder: Path
    number: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str, raw: bytes) -> None:
        file = self.folder / f"results-{self.number}.tar"
        if file.exists() and file.stat().st_size + len(raw) > LARGEST:
            self.number += 1
            file = self.folder / f"results-{self.number}.tar"
        with tarfile.open(file, "a") as archive:
            entry = tarfile.TarInfo(f"{name}.npz" if not name.endswith(".json") else name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
        self.names.append(name)


def machine() -> dict:
    import torch

    gpu = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if gpu else "CPU",
        "memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1) if gpu else 0,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def run(folder: str, study: str | None, out: str, seconds: float, workers: int, waves: list[tuple[int, ...]], options: dict,
        wanted: tuple[str, ...] = ()) -> int:  # fmt: skip
    """Run the jobs of every wave of seeds until all are done or the time is up. Returns how many jobs are not done."""
    began, out = time.perf_counter(), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    shared = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    starts = Path(tempfile.mkdtemp(prefix="starts-", dir=shared))
    pack, results = Pack(folder, study), Results(out)
    waiting = [(wave, job) for wave, seeds in enumerate(waves) for job in jobs_of(pack.study, seeds)]
    waiting = [(wave, job) for wave, job in waiting if not wanted or job.name in wanted]
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    inboxes = [context.Queue() for _ in range(workers)]
    processes = [
        context.Process(target=work, args=(i, folder, study, str(starts), options, inboxes[i], messages), daemon=True)
        for i in range(workers)
    ]
    for process in processes:
        process.start()
    there: set[tuple[int, str]] = set()
    running: dict[int, tuple[int, Job]] = {}
    idle: list[int] = []

    def say(text):
        print(f"{time.perf_counter() - began:6.1f} s  {text}", flush=True)

    def begin():
        current = min((wave for wave, _ in waiting), default=0)  # a later wave would take time from this one
        for place in list(idle):
            for number, (wave, job) in enumerate(waiting):
                if wave == current and all((wave, start) in there for start in job.after):
                    del waiting[number]
                    idle.remove(place)
                    running[place] = wave, job
                    inboxes[place].put(job)
                    say(f"worker {place} begins {job}")
                    break

    failed, dead = 0, 0
    try:
        while (waiting or running) and dead < workers and (left := seconds - (time.perf_counter() - began)) > 0:
            try:
                kind, place, name, value = messages.get(timeout=min(left, 5))
            except queue.Empty:
                if not any(process.is_alive() for process in processes):
                    break
                continue
            if kind == "ready":
                idle.append(place)
            elif kind == "result" and name.startswith("start/"):
                there.add((running[place][0], name.removeprefix("start/")))
            elif kind == "result":
                results.add(f"{running[place][0]}-{name}", value)
            elif kind == "done":
                running.pop(place)
                idle.append(place)
                say(f"worker {place} did {name} in {value:.1f} s")
            else:
                say(f"worker {place} failed at {running.pop(place, (0, 'its start'))[1]}:\n{name}")
                failed += 1
                dead += not value
                idle += [place] if value else []
            begin()
            if not running and len(idle) == workers - dead and waiting:
                say("what is left waits for what failed")
                break
    finally:
        for process in processes:
            process.kill()
        shutil.rmtree(starts, ignore_errors=True)
    undone = [str(job) for _, job in [*running.values(), *waiting]]
    told = {
        **machine(),
        "commit": pack.commit,
        "options": options,
        "workers": workers,
        "waves": waves,
        "undone": undone,
    }
    told["seconds"] = time.perf_counter() - began
    results.add("about.json", json.dumps(told, indent=1).encode())
    say(f"{len(results.names)} results, {len(undone)} jobs not done, {failed} failed")
    return len(undone) + failed
