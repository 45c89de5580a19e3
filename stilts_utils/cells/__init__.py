"""Many models of a study at once on one GPU without network: whole cells, packed, run, and turned into tables.

A cell is an intermediate task and a seed, with all its durations and all its targets. `__main__` has the commands:

- `make` packs a study on the machine with its data: its tokenised rows, its encoder, which `admission` compares with what is
  computed on the device, and its numbers, as one folder;
- `run` trains and asks every model of the cells within a number of minutes, and writes their decisions;
- `tables` turns decisions into the tables of the study's runs, again on the machine with the data.

On the device machine, `pack` reads the folder and `plan` the study's numbers, `rows` puts tokens on the device, `stack` has
the models, `jobs` trains them and `ask` reads their decisions. These and `run` need torch and numpy alone: neither the study
file nor the packages that check it, load encoders or read data are there.
"""
