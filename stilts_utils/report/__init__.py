"""The reader's side of findings: numbers, sentences, tables, figures, the book. No torch.

`numbers` are all that pages name; `sentences` and `exit_sentences` state findings, `arms` sets those of a study side by side,
`claims` the studies beside the synthesis; `verdicts` and `estimand_verdicts` judge hypotheses; `tables` are those of the
book, each a list of `columns`, with the parts `tables_arms`, `tables_deployment`, `tables_advice`, `tables_estimands`,
`tables_quality` and `tables_runs`; `figure_data` are those behind the figures, and `sources` says where data come from;
`unfilled` stops a report with a hole in it; `formats` writes numbers for all of them, `escape` makes text of a value;
`figures` draws, and `captions` say what a figure shows; `book` fills the pages and builds the site, with `chapters` from
tables, whose reports a `cache` keeps; `answer_rows` are a study's rows of the answer, from its `answer_cases`, of which
`answer` takes the strongest, and `readme` writes it; `work` says whether checkpoints made engines do the same; `languages`
names the languages and their families; `explorer` writes the rows and the script of the page on which a reader chooses what
to see; `pages` are executed notebooks. `compare` puts two studies side by side, with `differences` in their settings, and
`beside` a run and the reference. `export` writes a study for a paper, with `latex` and `data_files`, which `data_page`
explains; `citation` says how to cite; `paper` joins pages of the built book, and `pdf` prints them.
"""
