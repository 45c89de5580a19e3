"""The reader's side of findings: numbers, sentences, tables, figures, the book. No torch.

`numbers` are all that pages name; `sentences` and `exit_sentences` state findings, `claims` beside those of the synthesis;
`verdicts` and `estimand_verdicts` judge hypotheses; `tables`, `tables_deployment` and `tables_estimands` are those of the
book, each a list of `columns`; `formats` writes numbers for all of them, `escape` makes text of a value; `figures` draws;
`book` fills the pages and builds the site, with `chapters` from tables and `pages` from executed notebooks, and a `cache` of
reports; `answer_rows` are a study's rows of the answer, of which `answer` takes the strongest, and `readme` writes it; `work`
says whether checkpoints made engines do the same.
"""
