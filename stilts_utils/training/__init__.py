"""Training and evaluation: the phases before anything is timed.

`session` is a study opened on this machine. Phase 1: `pretrained` counts tokens by language and scores shortcuts. Phase 2:
`intermediate` trains an arm, with a checkpoint at every duration. Phase 3: `transfer` scores targets zero-shot after
`fine_tuning`, and `early_exit` trains a target with exits. All use `rows`, tokenised, `trajectory`, which does the training,
`lessons`, which give it a loss, and `evaluation`, which scores; `methods` are the ways to spend an arm's steps, and `effort`
counts them; `kept` keeps a run's parts until what they depend on changes; `provenance` collects what a study was run with;
`progress` shows it to whoever watches.
"""
