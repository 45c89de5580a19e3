"""What to run: a study file, read, validated and turned into a list of runs.

`study` reads a file into a `Study` and lists its runs; `settings` has the fields on training, tasks and timing; `engines`
lists the deployments that a study can name; `source` says where rows come from; `place` says where a run keeps what it makes;
`hypotheses` registers what can be tested; `validation` checks them and says what is wrong; `schema` is for editors; `facts`
are the names that stored results are read by; `arms` names those that are no task, `methods` the ways to spend an arm's
steps; `plugins` enters what lies outside the checkout; `packages` are those that one encoder, engine or scenario alone needs;
`parameters` are those of notebooks, and refused if they are wrong; `sizes` are those of encoders, and the operations that they
cost; `seeds` draws seeds from names; `whole` writes files and folders whole or not at all. No torch.

`Study` and `StudyError` are loaded when they are asked for: `arms`, `seeds` and `whole` need no other package.
"""

__all__ = ["Study", "StudyError"]


def __getattr__(name: str):
    if name == "Study":
        from stilts_utils.study.study import Study

        return Study
    if name == "StudyError":
        from stilts_utils.study.validation import StudyError

        return StudyError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
