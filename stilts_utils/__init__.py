"""Timing and deployment of checkpoints over durations of intermediate-task training."""

from pathlib import Path

__version__ = "0.1.0"

ROOT = Path(__file__).resolve().parents[1]  # of the repository: what study files and parameters name is below it
