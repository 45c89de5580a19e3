"""The reader's side of findings: numbers, sentences, tables, figures, the book. No torch.

`numbers` are all that pages name; `sentences` state findings, `claims` beside those of the synthesis; `verdicts` judges
hypotheses; `tables` and `tables_deployment` are those of the book, each a list of `columns`; `formats` writes numbers for
all of them, `escape` makes text of a value; `figures` draws; `book` fills the pages and builds the site, with `chapters`
from tables, whose reports a `cache` keeps; `readme` writes the answer.
"""
