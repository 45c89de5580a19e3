from datasets import Dataset

from stilts_utils.training import rows


def test_training_rows_that_a_target_is_scored_on_are_left_out(session, monkeypatch, tiny_rows, capsys):
    choices = Dataset.from_list(tiny_rows("choice", 8))  # later ones say the same again
    monkeypatch.setattr(rows, "evaluation_rows", lambda *asked: tiny_rows("choice", 5))
    kept = rows.apart(session.study, "mc_facts", choices)
    assert list(kept["id"]) == list(choices["id"])[5:]
    assert "mc_facts: left out 5 training rows that occur in evaluation rows" in capsys.readouterr().out
