"""Measuring latency and throughput.

`paired` times all durations against each other in fresh `processes`; `early_exit` times models that stop early, `forms` one
checkpoint in several forms; `serving` puts checkpoints under `load` by MLPerf's scenarios (`mlperf`) and times vector search
(`nearest`); `work` traces which operations each checkpoint makes an engine execute, where nothing is timed; `noise` watches
what else the machine does; `progress` counts processes for whoever watches.
"""
