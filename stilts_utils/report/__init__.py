"""The reader's side of findings: numbers, sentences, tables, figures, the book. No torch.

`numbers` are all that pages name; `sentences` and `exit_sentences` state findings, `claims` beside those of the synthesis;
`verdicts` and `estimand_verdicts` judge hypotheses; `tables` are those of the book, each a list of `columns`, with the parts
`tables_deployment`, `tables_advice`, `tables_estimands`, `tables_quality` and `tables_runs`; `figure_data` are those behind
the figures, and `sources` says where data come from; `formats` writes numbers for all of them, `escape` makes text of a value;
`figures` draws; `book` fills the pages and builds the site, with `chapters` from tables, whose reports a `cache` keeps;
`answer_rows` are a study's rows of the answer, of which `answer` takes the strongest, and `readme` writes it; `work` says
whether checkpoints made engines do the same; `languages` names the languages and their families.
"""
