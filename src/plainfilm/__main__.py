"""Where the command line begins: `plainfilm`, and `python -m plainfilm`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it; Ctrl-C while it loads is no defect."""
    try:
        from plainfilm.cli import main as run
    except KeyboardInterrupt:
        print("plainfilm: stopped", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
