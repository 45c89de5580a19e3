"""Encoders, heads, batches and weights: everything about a model but its training.

`encoder` loads an encoder, `e5_small` reads the packaged one; `families` lists those that are taken, `folders` says what a
folder must hold, `admission` is the self-check of a loaded encoder; `batches` and `windows` turn rows into tokens; `heads`
is one layer over an encoder, `early_exit` one at several depths, `adapters` lie beside an encoder's weights or are merged into
them, `perturbation` changes a row; `checkpoints` stores weights, `packed_weights` in their smallest exact form; `hardware`
says what computes here.
"""
