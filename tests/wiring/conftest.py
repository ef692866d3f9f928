"""Tests of the wiring need a backend; KERAS_BACKEND picks it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
