"""Makes the pictures of README and docs: ``python docs/pictures/make.py RUN_FOLDER``.

RUN_FOLDER is a run of ``keras-collapse demo --fault leak``.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

from keras_collapse.outputs.verdict import show
from keras_collapse.sources import examine, read

HERE = Path(__file__).parent


def main(folder: str) -> None:
    console = Console(record=True, width=96, force_terminal=True, file=io.StringIO())
    show(examine(read(folder)), Path(folder).name, console=console)
    console.save_svg(
        str(HERE / "verdict.svg"), title="gan.fit(…, callbacks=[kc.CollapseMonitor()])"
    )


if __name__ == "__main__":
    main(sys.argv[1])
