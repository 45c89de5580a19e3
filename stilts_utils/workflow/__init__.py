"""Running a study, planning it, and carrying it to another machine.

`launch` runs what is missing through Snakemake; `dependencies` says what each rule depends on; `plan` estimates costs, from
`sizes` of encoders, `lengths` of rows and the speed of `devices`; `pack` makes one folder of a study for a machine without
network, with `pack_rows` and `pack_vocabulary`.
"""
