from stilts_utils.analysis.verdict import CHANGED, EQUIVALENT, UNDECIDED
from stilts_utils.report import figures
from stilts_utils.report.figures.forest import MARKS, Effect
from tests.drawn_figures import assert_legible, texts_of

EFFECTS = [
    Effect("Latency", "%", EQUIVALENT, 0.1, -0.4, 0.6, "+0.1 %"),
    Effect("Exits", "%", CHANGED, -19.0, -21.0, -17.0, "−19.0 %"),
    Effect("Retrieval", "points", UNDECIDED, -71.0, -74.0, 3.0, "−71.0"),
]


def test_a_panel_per_unit_and_a_row_per_effect():
    figure = figures.forest(EFFECTS)
    percent, points = figure.axes
    assert [tick.get_text() for tick in percent.get_yticklabels()] == ["Latency", "Exits"]
    assert [tick.get_text() for tick in points.get_yticklabels()] == ["Retrieval"]
    assert {"+0.1 %", "−19.0 %", "−71.0"} <= {text.get_text() for text in texts_of(figure)}
    bars = [line for line in percent.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] != line.get_xdata()[1]]
    assert [list(bar.get_xdata()) for bar in bars] == [[-0.4, 0.6], [-21.0, -17.0]]
    assert_legible(figure)


def test_every_verdict_has_a_colour_and_a_shape_of_its_own():
    assert (
        len({color for color, *_ in MARKS.values()}) == len({tuple(mark[1:]) for mark in MARKS.values()}) == len(MARKS)
    )


def test_nothing_measured_is_said():
    assert "nothing is measured" in " ".join(text.get_text() for text in texts_of(figures.forest([])))
