"""What a reader sees, from findings: numbers, sentences, tables, figures, the book. No torch.

`numbers` are all that pages name; `sentences` state findings; `verdicts` judges hypotheses; `tables` and `tables_deployment`
are those of the book, each a list of `columns`; `formats` writes numbers for all of them; `figures` draws; `book` builds the
site; `readme` writes the answer.
"""
