import pandas as pd
import pytest

from stilts_utils.report import figures


def test_equal_accuracy_has_a_panel_per_group_and_a_line_and_a_band_per_duration():
    rows = [
        (group, duration, accuracy, 1 + duration / 100, 0.98, 1.2)
        for group in ("all languages", "English")
        for duration in (4, 16)
        for accuracy in (-1.0, 50.0, 60.0)
    ]
    table = pd.DataFrame(rows, columns=["group", "duration", "accuracy", "ratio", "low", "high"])
    panels = figures.equal_accuracy(table, "latency", 0.05).axes
    assert [panel.get_title("left") for panel in panels] == ["All languages", "English"]
    for panel in panels:
        lines = [line for line in panel.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == 50]
        assert [list(line.get_ydata()) for line in lines] == [pytest.approx([4, 4]), pytest.approx([16, 16])]
        assert len(panel.collections) == 2
    assert len(figures.equal_accuracy(table.iloc[:0], "latency", 0.05).axes) == 0
