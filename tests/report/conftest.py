"""Findings of the fake study with other verdicts and other changes, and all figures drawn once."""

import dataclasses

import pytest

from stilts_utils.analysis.bootstrap import MEAN
from stilts_utils.report import figures
from tests import figure_tables


@pytest.fixture
def judged(found):
    """`judged(*verdicts)`: findings whose eight comparisons have these verdicts in turn, the last for the others too."""

    def make(*verdicts, **values):
        ratios = found.ratios.copy()
        real = ratios.index[ratios.verdict != "control"]
        ratios.loc[real, "verdict"] = [*verdicts, *[verdicts[-1]] * (len(real) - len(verdicts))]
        for name, value in values.items():
            ratios.loc[real[0], name] = value
        return dataclasses.replace(found, ratios=ratios)

    return make


@pytest.fixture
def moved(found):
    """`moved(target=(difference, low, high), ...)`: findings with other changes at the longest duration."""

    def make(**values):
        changes = found.changes.copy()
        for target, row in values.items():
            at = (changes.target == target) & (changes.language == MEAN) & (changes.duration == 16)
            at &= changes.intermediate == "temprel"
            changes.loc[at, ["difference", "low", "high"]] = row
        return dataclasses.replace(found, changes=changes)

    return make


@pytest.fixture(scope="session")
def drawn():
    """Every figure by name."""
    return figure_tables.everything()


@pytest.fixture(scope="session")
def drawn_narrow():
    """Every figure by name, for phones."""
    with figures.drawn_for(figures.NARROW):
        return figure_tables.everything()
