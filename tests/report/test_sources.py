import pandas as pd

from stilts_utils.report import figure_data, numbers, sources, tables

pytest_plugins = ["tests.fake_study"]


OF_ARMS = ("arms", "arm_costs", "forms", "lexical")  # of several arms, which the fake study has not


def test_every_table_and_figure_has_a_phase_or_is_of_code(found):
    names = {*tables.every(found), *figure_data.every(found), *OF_ARMS}
    assert {name for names_of in sources.PHASES.values() for name in names_of.split()} <= names
    assert {sources.phase(name) for name in names} == {*sources.PHASES, sources.FINDINGS, ""}


def test_every_figure_has_its_data(found, untimed_found):
    for one in (found, untimed_found):
        assert set(figure_data.every(one)) == set(numbers.drawn(one))


def test_data_are_written_in_full_precision(tmp_path):
    frame = pd.DataFrame({"a": [0.1 + 0.2, None], "b": ["x, y", "é"]})
    sources.write(frame, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf8") == 'a,b\n0.30000000000000004,"x, y"\n,é\n'
    assert pd.read_csv(tmp_path / "a.csv").a[0] == 0.1 + 0.2
