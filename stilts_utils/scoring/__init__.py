"""The official scores of every task, and shortcut baselines to compare them with.

`metrics` scores decisions; `answers` compares spans, `tagging` tags, `retrieval` ranks candidates; `shortcuts` are baselines
that understand nothing.
"""
