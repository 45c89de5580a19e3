import pandas as pd

from stilts_utils.analysis import quality


def test_a_target_is_read_by_its_official_metric_or_the_first_beside_it():
    rows = pd.DataFrame({"target": ["tatoeba", "tatoeba", "xnli"], "metric": ["accuracy_to_english", "x", "accuracy"]})
    assert quality.primary_metric(rows).metric.tolist() == ["accuracy_to_english", "accuracy"]
    both = pd.concat([rows, rows.assign(metric="accuracy")])
    assert set(quality.primary_metric(both).metric) == {"accuracy"}
