"""The rows of a task, from the hub, from a mirror, or generated.

`sources` loads the rows of a task wherever they come from; `study_rows` those of a study; `hub` and `mirror` read
data sets in hub layout, `task_sets` says which ones a task reads, `columns` turns them into a task's columns, which
`row_checks` checks whatever the source, `candidates` makes the pools of retrieval, `leakage` finds training rows that occur
in evaluation rows, `unlabelled` has multilingual text that is in none; `embedded` generates rows, and `lexicon` has word pairs.
"""
