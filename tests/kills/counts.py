"""What both kinds of kills are asked for, and how what was counted is told."""

from __future__ import annotations

import argparse
import random
from collections import Counter


def options(about: str | None) -> tuple[int, random.Random]:
    """Return how many kills are asked for, and what chooses their times.

    Args:
        about: the program's description.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    return given.kills, random.Random(given.seed)


def told(counted: Counter[str]) -> int:
    """Print what was counted; return 1 if some of it is wrong, else 0."""
    wrong = {name: count for name, count in counted.items() if name.startswith("wrong")}
    for name, count in counted.items():
        print(f"{count:8,}  {name}")
    print("nothing was wrong" if not wrong else f"wrong: {wrong}")
    return 1 if wrong else 0
