import pandas as pd
import pytest
from matplotlib.colors import to_hex

from stilts_utils.report import figures, languages
from stilts_utils.report.figures.languages import COLORS
from stilts_utils.report.figures.pipeline import SOFT
from tests.drawn_figures import assert_legible, texts_of, with_gid
from tests.figure_tables import DURATIONS, LANGUAGES, TARGETS, differences


def words(figure):
    return [text.get_text() for text in texts_of(figure)]


def test_only_languages_that_a_target_has_are_drawn_by_family(drawn):
    frame = differences()
    assert len(with_gid(drawn["languages"], "cell")) == len(frame)
    shown = words(drawn["languages"])
    assert shown.count("Greek") == len(TARGETS) - 1 and shown.count("German") == len(TARGETS) == shown.count("mean")
    assert "Germanic" in shown and "Others" in shown
    assert {languages.name(code) for code in LANGUAGES} <= set(shown)


def test_cells_are_coloured_on_one_centred_scale_and_unsure_numbers_are_grey():
    rows = [
        ("a", 4, "t", "de", 10.0, 5.0, 15.0),
        ("a", 4, "t", "en", -5.0, -11.0, 1.0),
        ("a", 4, "t", "mean", 0.4, -1.0, 1.0),
    ]
    names = ["intermediate", "duration", "target", "language", "difference", "low", "high"]
    figure = figures.languages(pd.DataFrame(rows, columns=names))
    faces = [to_hex(cell.get_facecolor()) for cell in with_gid(figure, "cell")]
    assert faces == [to_hex(COLORS(share)) for share in (1.0, 0.25, 0.52)]
    grey = {text.get_text() for text in texts_of(figure) if text.get_color() == SOFT}
    assert grey == {"4", "Germanic", "−5", "0"} and "+10" in words(figure)


def test_one_arm_has_its_durations_and_several_are_named_by_letters():
    assert words(figures.languages(differences()))[:4] == [TARGETS[0], *map(str, DURATIONS[1:])]
    several = figures.languages(differences(tasks=("temprel", "nli_num")))
    assert words(several)[0] == "A after temprel   B after nli_num"
    assert len(with_gid(several, "cell")) == len(differences()) / len(DURATIONS[1:]) * 2


@pytest.mark.parametrize("width", [figures.WIDE, figures.NARROW])
def test_fifty_languages_of_three_targets_fit(width):
    with figures.drawn_for(width):
        figure = figures.languages(
            differences(targets=tuple("abc"), languages=list(languages.NAMES), tasks=("x", "y", "z"))
        )
    assert_legible(figure)
    assert figure.get_figheight() < (20 if width == figures.WIDE else 36)  # nine columns of fifty languages each
