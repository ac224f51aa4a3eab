"""The command line: each command is parse, one call, print."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from typing import Any

from neurosim.cli.app import QUIET, app
from neurosim.errors import NeurosimError

WORDS = {"--quiet", "-q"}
UNEXPECTED = "internal error, please report it with the output of --debug: {}: {}"


def main() -> None:
    """Run the command line; errors are lines on stderr, not tracebacks."""
    debug = "--debug" in sys.argv
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    QUIET.set(not WORDS.isdisjoint(sys.argv))
    # They may stand anywhere.
    sys.argv = [a for a in sys.argv if a not in ("--debug", *WORDS)]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except NeurosimError as error:
        _leave(str(error), error.exit_code, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        _leave("out of memory; use fewer samples (--images) or workers, or a smaller --batch", 2, debug)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError" and "can't allocate memory" not in str(error):
            _leave(UNEXPECTED.format(type(error).__name__, error), 2, debug)
        _leave("out of memory; use a smaller --batch, --calibration-images, --timesteps or network", 2, debug)
    except OSError as error:
        _leave(str(error), 2, debug)
    except Exception as error:
        _leave(UNEXPECTED.format(type(error).__name__, error), 2, debug)


def _end(number: int, frame: Any) -> None:
    """What this signal does anyway, with no half-written file left behind."""
    if "neurosim.io.hdf5" in sys.modules:
        from neurosim.io.hdf5 import remove_unfinished

        remove_unfinished()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _leave(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"neurosim: {message}\n")
    sys.exit(code)
