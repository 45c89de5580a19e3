"""The official scores of every task, and the shortcuts they are held against.

`metrics` scores decisions; `answers` compares spans, `tagging` tags, `retrieval` ranks candidates; `shortcuts` are baselines
that understand nothing.
"""
