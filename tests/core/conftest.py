"""Lets tests of the core share logs.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
