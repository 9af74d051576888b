"""The process of one section: `python -m experiments.bench.child NAME FOLDER [--quick]`."""

import signal
import sys
from pathlib import Path

from experiments.bench.__main__ import run_section

if __name__ == "__main__":
    # so that a section can end what it has started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    run_section(sys.argv[1], Path(sys.argv[2]), "--quick" in sys.argv[3:])
