import dataclasses

from stilts_utils.analysis.verdict import EQUIVALENT, UNDECIDED
from stilts_utils.report import captions, figures, numbers, tables, verdicts

pytest_plugins = ["tests.fake_study"]


def test_every_figure_has_a_finding(found):
    said = captions.found(found)
    assert {f"found_{name}" for name in numbers.drawn(found)} == said.keys()
    assert all(text.endswith(".") for text in said.values())


def test_comparisons_of_latency_are_counted_by_verdict(judged):
    said = captions.found(judged(EQUIVALENT, EQUIVALENT, EQUIVALENT, UNDECIDED))["found_latency"]
    assert said.startswith("Latency stays within 2 % of 0 steps in 3 of 8 comparisons; the controls passed in ")


def test_texts_without_a_translation_are_said_to_be(found):
    alone = found.premiums.assign(premium=float("nan"))
    of_own = dataclasses.replace(found, premiums=alone)
    assert captions.found(of_own)["found_fertility"].startswith(
        "No text of another language has an English translation"
    )
    assert verdicts.verdict(of_own, "H5")[1] == "no text of another language has an English translation"
    figures.fertility(alone.dropna(subset="premium"))
    assert "–" in tables.fertility(alone).shown["Tokens over English"].tolist()


def test_changes_are_in_the_order_of_the_study(found):
    rows = captions.changes(found)
    assert list(rows.target) == [name for name in found.study["targets"] if name in set(rows.target)]
