import dataclasses

from stilts_utils.report import tables_deployment

pytest_plugins = ["tests.fake_study"]


def test_speed_is_that_of_duration_0_in_every_unit(found):
    made = tables_deployment.speed(found)
    assert made.shown.Engine.unique().tolist() == ["fp32", "bf16"]
    row = made.shown[(made.shown.Engine == "bf16") & (made.shown.Batch == 4)].iloc[0]
    one = made.data[(made.data.engine == "bf16") & (made.data.batch_size == 4) & (made.data.language == "de")].iloc[0]
    # 10 blocks from 40 ms upwards by 1 % each: the median is 41.8 ms, for 4 sentences of 20 tokens of 25 computed.
    assert f"{1000 * one.seconds:.1f}" == "41.8" and f"{1e6 * one.seconds / one.tokens:.0f}" == "523"
    assert f"{one.sentences / one.seconds:.1f}" == "95.7" and row["Padding"] == "20 %"


def test_fidelity_shows_the_lowest_agreement_of_any_seed_and_duration(found):
    made = tables_deployment.fidelity(found)
    shown = made.shown.set_index(["Engine", "Language"])
    assert shown.loc[("bf16", "German (de)"), "Agreement, lowest"] == "96.0 %"
    assert shown.loc[("bf16", "German (de)"), "Agreement, mean"] == "98.0 %"
    assert shown.loc[("bf16", "English (en)"), "Largest difference of a logit"] == "0.2500"
    assert "fp32" not in made.shown.Engine.tolist() and made.rest == "fp32 agreed on every row"
    assert "fp32" in made.data.engine.tolist()


def test_full_agreement_is_a_sentence(found):
    same = found.tables["fidelity"].assign(agreement=1.0)
    made = tables_deployment.fidelity(dataclasses.replace(found, tables=found.tables | {"fidelity": same}))
    assert made.shown.empty and made.said == "On every row, fp32 and bf16 decided as eager did."


def test_an_engine_that_could_not_run_is_shown_with_the_reason(found):
    shown = tables_deployment.engines(found).shown.set_index("Engine")
    assert shown["Ready after (s)"].to_dict() == {"fp32": "2.0", "bf16": "4.0", "ort": "not run: not here"}
