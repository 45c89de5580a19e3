"""Timing and deployment of checkpoints over durations of intermediate-task training."""

import warnings
from pathlib import Path

__version__ = "0.1.0"

ROOT = Path(__file__).resolve().parents[1]  # of the repository: what study files and parameters name is below it

# Notebooks print no progress bars, so what tqdm says of widgets that are not installed is noise on their pages.
warnings.filterwarnings("ignore", message="IProgress not found")
