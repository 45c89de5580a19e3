"""Running a study, planning it, and carrying it to another machine.

`launch` runs what is missing through Snakemake, in `surroundings` of its own: a kernel of this environment, folders that can be
written; `stored` takes the runs that stored results have, `budget` chooses those that end in some minutes; `status` says what
would run and why, `progress` how far it is; `dependencies` says what the book is made from; `plan` estimates costs, from the
`outline` of a study, `lengths` of rows and the speed of `devices`, and `memory` what a run asks a cluster for; `pack` makes one
folder of a study for a machine without network, with `pack_rows` and `pack_vocabulary`.
"""
