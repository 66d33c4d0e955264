"""Where a clone keeps its configs, its data sets and its results."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "datasets"
RESULTS = ROOT / "results"
