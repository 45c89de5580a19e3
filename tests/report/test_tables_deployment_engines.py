from stilts_utils.report import tables_deployment

pytest_plugins = ["tests.fake_study"]


def test_speed_is_that_of_duration_0_in_every_unit(found):
    shown = tables_deployment.speed(found)
    assert shown.Engine.unique().tolist() == ["fp32", "bf16"]
    row = shown[(shown.Engine == "bf16") & (shown.Batch == 4) & (shown.Language == "de")].iloc[0]
    # 10 blocks from 40 ms upwards by 1 % each: the median is 41.8 ms, for 4 sentences of 20 tokens of 25 computed.
    assert row["Request, ms"] == "41.8" and row["Sentence, ms"] == "10.45" and row["Token, µs"] == "523"
    assert row["Sentences/s"] == "95.7" and row["Padding"] == "20 %"


def test_fidelity_shows_the_lowest_agreement_of_any_seed_and_duration(found):
    shown = tables_deployment.fidelity(found).set_index(["Engine", "Language"])
    assert shown.loc[("bf16", "de"), "Agreement, lowest"] == "96.0 %"
    assert shown.loc[("bf16", "de"), "Agreement, mean"] == "98.0 %"
    assert shown.loc[("fp32", "en"), "Largest difference of a logit"] == "0"
    assert shown.loc[("bf16", "en"), "Largest difference of a logit"] == "0.25"


def test_an_engine_that_could_not_run_is_shown_with_the_reason(found):
    shown = tables_deployment.engines(found).set_index("Engine")
    assert shown["Ready after (s)"].to_dict() == {"fp32": "2.0", "bf16": "4.0", "ort": "not run: not here"}
