import pandas as pd
import pytest

from stilts_utils.analysis import work

pytest_plugins = ["tests.fake_study"]


@pytest.fixture
def rows(found):
    return found.tables["work"]


def verdicts(rows: pd.DataFrame) -> dict:
    return work.compared(rows).set_index(["engine", "batch_size"]).verdict.to_dict()


def test_dense_engines_do_the_same_and_exits_say_by_how_much_they_differ(rows):
    found = work.compared(rows).set_index(["engine", "batch_size"])
    assert (found.loc[["fp32", "bf16"]].verdict == "equivalent").all()
    exits = found.loc[("exit", 1)]
    assert (
        exits.verdict == "changed" and (exits.fewer, exits.more) == (0.75, 1.0) and not exits.durations and exits.seeds
    )


@pytest.mark.parametrize(
    ("of", "kept", "lost"), [("duration == 4", "seeds", "durations"), ("seed == 2", "durations", "seeds")]
)
def test_one_other_hash_is_found_and_named(of, kept, lost, rows):
    other = rows.copy()
    chosen = other.query(f"engine == 'fp32' and batch_size == 4 and language == 'de' and {of}").index
    other.loc[chosen, "trace"] = "other"
    found = work.compared(other).set_index(["engine", "batch_size"])
    assert found.loc[("fp32", 4), kept] and not found.loc[("fp32", 4), lost]
    assert verdicts(other) == verdicts(rows) | {("fp32", 4): "changed"}


def test_languages_and_batch_sizes_may_have_hashes_of_their_own(rows):
    assert verdicts(rows.assign(trace=rows.trace + rows.language)) == verdicts(rows)
