"""The examples are scripts beside each other, so tests find them as Python finds siblings."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "examples"), str(Path(__file__).parents[1])]
