"""Measuring latency and throughput.

`paired` times all durations against each other in fresh `processes`; `early_exit` times models that stop early; `serving` runs
MLPerf scenarios (`mlperf`) and vector search (`nearest`); `noise` watches what else the machine does.
"""
