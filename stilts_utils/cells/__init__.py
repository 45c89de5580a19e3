"""Whole cells of a study on one GPU: many models at once, on a machine that has torch and numpy and no network.

A cell is an intermediate task and a seed, with all its durations and all its targets.

- `pack`: a study's tokenised rows and its encoder as one folder, made where the data are;
- `run`: trains and asks every model of the cells within a number of minutes, and writes what they decided;
- `tables`: turns decisions into the tables of the study's runs, where the data are.
"""
