"""Where the repository's folders are, for tests in any folder and for the programs they start."""

import shutil
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
EXAMPLES = ROOT / "examples"
DOCS = ROOT / "docs"


def remove(folder: Path) -> None:
    """Delete a folder into which another thread may still write."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
