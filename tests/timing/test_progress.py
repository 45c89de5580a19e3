from types import SimpleNamespace

import pytest

from stilts_utils.timing import paired, progress
from stilts_utils.training import progress as watching


@pytest.fixture
def updates(monkeypatch):
    """What the line was told, for someone who watches; processes and their order are made up."""
    told = []
    line = SimpleNamespace(update=told.append)
    monkeypatch.setattr(watching, "watched", lambda: True)
    monkeypatch.setattr(watching, "Line", lambda what, total, unit: told.append((what, total, unit)) or line)
    monkeypatch.setattr(paired, "apart", lambda call, *arguments: arguments[-1])

    def replicates(study, place, seed):
        return [paired.apart(None, study, place, seed, number) for number in study.processes(seed)]

    monkeypatch.setattr(paired, "replicates", replicates)
    return told


def test_every_process_counts_and_its_result_is_handed_on(updates):
    study = SimpleNamespace(processes=lambda seed: (201, 202), inference=SimpleNamespace(target="ner_slots"))
    before = paired.apart
    progress.show()
    progress.show()
    assert paired.replicates(study, None, 2) == [201, 202]
    assert updates == [("timing ner_slots, seed 2", 2, "process"), 1, 2]
    assert paired.apart is before
