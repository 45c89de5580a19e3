import subprocess
import sys
import time
from collections import namedtuple

import pytest

from stilts_utils.models import hardware
from stilts_utils.timing import noise
from stilts_utils.timing.noise import NoiseWatch

Times = namedtuple("Times", "user nice system idle irq softirq steal")


@pytest.fixture
def clocks(monkeypatch):
    """`clocks(own, **busy)`: a watch over 10 s of a machine with 4 cores, on which these seconds were spent."""

    def watch(own=0.0, **busy):
        start = dict.fromkeys(Times._fields, 100.0)
        states = iter([Times(**start), Times(**{name: 100.0 + busy.get(name, 0.0) for name in start})])
        monkeypatch.setattr(noise.psutil, "cpu_times", lambda: next(states))
        monkeypatch.setattr(noise, "cores", lambda: 4)
        walls, owns = iter([1000.0, 1010.0]), iter([5.0, 5.0 + own])
        monkeypatch.setattr(noise.time, "perf_counter", lambda: next(walls))
        monkeypatch.setattr(noise.time, "process_time", lambda: next(owns))
        found = NoiseWatch().start().stop()
        return round(found["foreign_share"], 9), round(found["steal_share"], 9)

    return watch


@pytest.mark.parametrize(
    ("own", "busy", "shares"),
    [
        (0, {}, (0, 0)),
        (0, {"user": 4}, (0.1, 0)),
        (10, {"user": 10}, (0, 0)),  # this process alone
        (10, {"user": 12, "system": 4, "nice": 2, "irq": 1, "softirq": 1}, (0.25, 0)),
        (0, {"idle": 40}, (0, 0)),
        (0, {"steal": 8}, (0, 0.2)),
        (10, {"user": 9}, (0, 0)),  # clocks tick at different rates
        (0, {"user": 50, "steal": 50}, (1, 1)),
    ],
)
def test_shares_by_hand(clocks, own, busy, shares):
    assert clocks(own, **busy) == shares


def test_a_busy_process_is_noticed():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            time.sleep(0.2)
            watch = NoiseWatch().start()
            time.sleep(1.0)
            found = watch.stop()
        finally:
            busy.kill()
    assert 0.3 / hardware.cores() < found["foreign_share"] <= 1
    assert 0 <= found["steal_share"] <= 1
    assert found["load"] >= 0
