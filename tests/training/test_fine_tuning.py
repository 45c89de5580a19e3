import dataclasses

from stilts_utils.study.settings import PRETRAINED
from stilts_utils.training import rows
from stilts_utils.training.fine_tuning import fine_tune, fine_tuned, trained
from stilts_utils.training.intermediate import start
from stilts_utils.training.transfer import transfer
from tests.training.conftest import both_precisions, no_training, same


@both_precisions
def test_the_timed_target_is_stored_with_its_head_and_loaded(session, monkeypatch):
    begin = start(session, "temprel", 2, 1)
    training = fine_tune(session, "mc_facts", "temprel", 2, 1, begin)
    weights = trained(training)
    assert training.step == 3
    no_training(monkeypatch)
    assert same(fine_tuned(session, "mc_facts", "temprel", 2, 1), weights)
    assert {"head.weight", "head.bias"} < set(weights)


def test_a_fine_tuned_target_that_is_not_stored_is_trained(session, monkeypatch, capsys):
    found = fine_tuned(session, "mc_facts", "temprel", 2, 1)
    said = capsys.readouterr().out
    assert "no stored mc_facts from temprel at 2 steps, seed 1: training it now" in said
    begin = start(session, "temprel", 2, 1)
    training = fine_tune(session, "mc_facts", "temprel", 2, 1, begin)
    assert same(found, trained(training))
    no_training(monkeypatch)
    assert same(fine_tuned(session, "mc_facts", "temprel", 2, 1), found)


def test_a_fine_tuned_target_made_otherwise_is_trained_again(session, capsys):
    fine_tuned(session, "mc_facts", PRETRAINED, 0, 1)
    capsys.readouterr()
    targets = session.study.targets | {"mc_facts": dataclasses.replace(session.study.targets["mc_facts"], steps=(2,))}
    session.study = dataclasses.replace(session.study, targets=targets)
    fine_tuned(session, "mc_facts", PRETRAINED, 0, 1)
    assert "training it now" in capsys.readouterr().out


def test_only_the_timed_target_is_stored(session):
    transfer(session, ("dtag",), PRETRAINED, 0, 1)
    assert list(session.study.folder.rglob("*.safetensors")) == []


def test_the_smaller_batches_of_a_target_are_its_own(session):
    targets = session.study.targets | {"dtag": dataclasses.replace(session.study.targets["dtag"], batch_size=2)}
    session.study = dataclasses.replace(session.study, targets=targets)
    log = transfer(session, ("mc_facts", "dtag"), PRETRAINED, 0, 1)["training"]
    assert log.groupby("target").examples.max().to_dict() == {
        "mc_facts": 7 * 4,
        "dtag": 7 * 2,
    }  # 3 and the control's 4


def test_a_target_with_two_stages_trains_one_after_the_other(session, monkeypatch):
    stages = []
    read = rows.training_rows

    def watched(session, name, seed, stage=0, **options):
        stages.append((name, stage))
        return read(session, name, seed, **options)

    monkeypatch.setattr(rows, "training_rows", watched)
    fit = dataclasses.replace(session.study.targets["mc_facts"])
    object.__setattr__(fit, "steps", (2, 3))
    session.study.targets["mc_facts"] = fit
    training = fine_tune(session, "mc_facts", PRETRAINED, 0, 1, session.pretrained)
    assert stages == [("mc_facts", 0), ("mc_facts", 1)] and training.step == 5
