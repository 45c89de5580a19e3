"""The tidy tables between computing and reading: everything downstream reads these and nothing else. No torch.

`schema` defines every table, `dictionary` says what its columns mean; `files` checks, writes and reads them; `provenance` reads
what a study was run with, in the shape of `about`; `manifest` says which tables were written, `completeness` and `counts` which
and how much the study asks for, by its `design`; `errors` are theirs; `costs` and `jobs` say what it took; `study_tables` reads
all of a study's; `store` keeps them as reference results, with those runs that have `finished`, and their notebooks as
`executed`; `by_hand` gathers runs that were made by hand; `identity` says what a run depends on, by `digests` of code, files
and versions, and `harmless` which changes of code were declared to change nothing.
"""
