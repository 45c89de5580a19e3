"""Statistics of tables: pure functions of data frames. No torch.

`latency` has paired ratios, their intervals and equivalence tests; `controls` judges the A/A control, planted slow-downs
and agreement, and gives the verdicts; `bootstrap` has intervals of scores; `factors` the shares of variance and the
language tax; `exit_rules`, `exit_effects` and `exit_clock` are early exit by rule, by its effect and by the clock;
`frontier` weighs quality against latency; `findings` puts all of a study together.
"""
