"""Statistics of tables: pure functions of data frames. No torch.

`latency` has paired ratios, their intervals and equivalence tests; `controls` judges the A/A control, planted slow-downs
and agreement, and gives the verdicts; `bootstrap` has intervals of scores; `factors` the shares of variance, the speed of
engines and the language tax. For early exit, `exit_rules` replays where recorded rows would stop and chooses thresholds
(`models.early_exit` stops them), `exit_clock` reads the timings and judges their controls, `exit_effects` brings both
together; `frontier` weighs quality against latency; `learned` says which models have learned their task, `verdict` is the
one vocabulary of verdicts and its rule; `findings` puts all of a study together.
"""
