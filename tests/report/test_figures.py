import matplotlib
import pandas as pd
import pytest

from stilts_utils.report import figures
from stilts_utils.report.figures.style import apart
from tests.drawn_figures import assert_legible, texts_of, with_gid
from tests.figure_tables import (
    MARGIN,
    TARGETS,
    arms_learned,
    changes,
    costs,
    differences,
    everything,
    fertility,
    latency_tables,
    layer_changes,
    scores,
    shortcuts,
    training,
)

PHONE = 355  # pixels: what a figure gets of a page that is 390 pixels wide


def test_texts_are_apart_and_inside(drawn, drawn_narrow):
    for made, width in ((drawn, figures.WIDE), (drawn_narrow, figures.NARROW)):
        for figure in made.values():
            assert figure.get_figwidth() == pytest.approx(width)
            assert_legible(figure)


def test_text_is_at_least_11_pixels_high_on_a_phone(drawn_narrow):
    pixels = PHONE / (72 * figures.NARROW)  # a point's
    for name, figure in drawn_narrow.items():
        assert min(text.get_fontsize() for text in texts_of(figure)) * pixels > 11, name


@pytest.mark.parametrize("name", ["answer", "curves", "languages", "learning"])
def test_same_data_give_the_same_bytes(name, drawn, tmp_path):
    make = {
        "answer": lambda: figures.answer(*latency_tables()[1:], changes(), MARGIN),
        "curves": lambda: figures.curves(*scores(), shortcuts()),
        "languages": lambda: figures.languages(differences()),
        "learning": lambda: figures.learning(training(targets=TARGETS), arms_learned()),
    }[name]
    one = figures.save(drawn[name], tmp_path / "a" / f"{name}.svg").read_bytes()
    assert one == figures.save(make(), tmp_path / "b" / "other.svg").read_bytes()
    assert one == figures.save(drawn[name], tmp_path / "a" / f"{name}.svg").read_bytes()
    assert b"<dc:date>" not in one and b"</text>" in one and b"sans-serif" in one
    assert [path.name for path in (tmp_path / "a").iterdir()] == [f"{name}.svg"]


def test_drawing_leaves_the_style_of_others_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    figures.save(figures.fertility(fertility()), tmp_path / "fertility.svg")
    assert dict(matplotlib.rcParams) == before


def test_one_duration_one_target():
    made = everything(durations=(0,), targets=("mc_facts",), languages=["en", "de"], processes=1)
    for figure in made.values():
        assert_legible(figure)
    assert len(made["curves"].axes) == 1 and not made["quality"].axes


def test_ten_durations_ten_targets_fifty_languages():
    durations, targets = (0, 1, 2, 4, 8, 16, 32, 64, 128, 2500), tuple(f"target_{number}" for number in range(10))
    made = everything(durations, targets, [f"l{number:02}" for number in range(50)])
    assert len(made["curves"].axes) == 10 and len(made["learning"].axes) == 11
    assert made["curves"].get_figheight() > 10 and made["fertility"].get_figheight() > 8
    for figure in made.values():
        assert_legible(figure)


def test_several_intermediate_tasks():
    made = everything(tasks=("temprel", "nli_num", "qa_facts"))
    assert len(made["layers"].axes) == 3 and len(made["learning"].axes) == 3 + 4
    assert all(with_gid(panel, "line qa_facts") for panel in made["curves"].axes)
    for figure in made.values():
        assert_legible(figure)


def test_nothing_to_draw_is_said():
    empty = {"languages": differences().head(0), "layers": layer_changes().head(0), "costs": costs().head(0)}
    for name, frame in empty.items():
        figure = getattr(figures, name)(frame)
        assert len(texts_of(figure)) == 1 and not figure.axes


def test_apart_moves_as_little_as_it_must():
    assert apart([1.0, 5.0, 9.0], [2, 2, 2], 0, 10) == pytest.approx([1, 5, 9])
    assert apart([4.0, 4.0], [2, 2], 0, 10) == pytest.approx([3, 5])
    assert apart([0.0, 0.0, 9.9], [2, 2, 2], 0, 10) == pytest.approx([1, 3, 9])


def test_a_notebook_shows_a_figure_as_svg():
    figure = figures.fertility(pd.DataFrame({"language": ["de", "en"], "premium": [1.2, 1.0]}))
    assert figures.shown(figure).data.lstrip().startswith(("<svg", "<?xml"))
