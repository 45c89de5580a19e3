"""Training and evaluation: the phases before anything is timed.

`session` holds a study that is open on this machine and does what phases 2 and 3 do; `trajectory` trains, with a checkpoint
at every duration; `evaluation` scores zero-shot; `early_exit` trains a target with exits; `pretrained` is phase 1: tokens by
language and shortcuts; `provenance` collects what a study was run with.
"""
