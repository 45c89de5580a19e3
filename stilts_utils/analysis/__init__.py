"""Statistics of tables: pure functions of data frames. No torch.

`latency` has paired ratios, their intervals and equivalence tests; `controls` judges the A/A control, planted slow-downs and
agreement, and gives the verdicts, `machines` those of every kind of processor; `bootstrap` has intervals of scores, which
`quality` sums up for a study; `factors` the shares of variance, the speed of engines and the language tax. For early exit,
`exit_rules` replays where recorded rows would stop and chooses thresholds (`models.early_exit` stops them), `exit_clock`
reads the timings and judges their controls, `exit_effects` brings both together. What duration does to it is paired by seed
(`seed_interval`): in `exit_outcomes` at thresholds that are fixed, chosen under `risk_control`, or kept, in `exit_frontier`
at equal accuracy. `best_layer` compares retrieval, `throughput` rates under load; `frontier` weighs quality against latency;
`work` compares hashes of executed operations, `forms` the forms of one checkpoint; `learned` says which models have learned
their task, `verdict` is the one vocabulary of verdicts and its rule; `findings` puts all of a study together;
`arms` compares its arms, `claims` sets it beside those that the question started from, and `reproduction` says whether a second
study agrees with it.
"""
