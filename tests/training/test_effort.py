from stilts_utils.training import effort

LOG = [
    {
        "step": step,
        "loss": 1.0,
        "learning_rate": 0.1,
        "examples": 4 * step,
        "tokens": 50 * step,
        "operations": 2e6 * step,
    }
    for step in range(1, 8)
]
RUN = {"intermediate": "temprel", "duration": 3, "seed": 1}


def test_the_cost_is_that_of_the_duration_s_steps_alone():
    first = effort.spent(LOG, RUN, "none")
    assert first == {**RUN, "target": "none", "steps": 3, "examples": 12, "tokens": 150, "operations": 6e6}
    assert effort.spent(LOG, RUN, "xnli", after=4) == {**first, "target": "xnli"}


def test_the_logged_rows_are_those_of_the_table():
    rows = effort.logged(LOG, {**RUN, "target": "none"})
    assert len(rows) == 7 and "operations" not in rows[0] and rows[0]["target"] == "none" and rows[6]["tokens"] == 350
