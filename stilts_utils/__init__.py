"""Timing and deployment of checkpoints over durations of intermediate-task training."""

__version__ = "0.1.0"
