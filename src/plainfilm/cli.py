"""The command line: what every command has in common, and how it ends.

Exit codes: 0 done, 1 the input was wrong (one line on standard error), 2 usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from itertools import pairwise
from typing import NoReturn

from plainfilm.commands import audit, demo, explain, export, films, predict, reproduce, runs, serve, tune  # noqa: F401  (importing them adds them to the application)
from plainfilm.commands.app import app
from plainfilm.core.files import cannot_write
from plainfilm.core.words import printable
from plainfilm.errors import Interrupted, PlainfilmError


def main() -> NoReturn:
    """Run the command line; every PlainfilmError becomes one line and exit code 1."""
    _hear_warnings_only()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    for before, typed in pairwise(sys.argv):
        if not typed or (typed.startswith("--") and typed.endswith("=")):
            _complain(f"what follows {typed or before} is empty, as a shell's variable is that was never set", 2)
    try:
        app()
    except SystemExit as ended:
        if ended.code == 130:  # typer says nothing
            _complain("stopped", 130)
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's sign that the reader of a pipe has gone
            sys.exit(0)
        raise
    except Interrupted as error:
        _complain(error, 130)
    except PlainfilmError as error:
        _complain(error, 1)
    except KeyboardInterrupt:
        _complain("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
            raise
        _complain(cannot_write(error.filename or "the output", error), 1)
    sys.exit(0)


def _hear_warnings_only() -> None:
    """Libraries tell this program of warnings, not of their settings; a root handler keeps them from bringing their own."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(
        lambda record: not record.name.startswith("huggingface_hub")
    )  # its retries; the end of them is ours
    logging.basicConfig(handlers=[handler])


def _complain(message: object, code: int) -> NoReturn:
    print(f"plainfilm: {printable(' '.join(str(message).split()))}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
