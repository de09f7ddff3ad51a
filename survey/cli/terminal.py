"""What the command prints, on whatever console, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from survey.errors import InstallationError, SurveyError, visible

REFUSED = 1
UNWRITTEN = 74  # EX_IOERR of sysexits.h
INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
CLOSED = 141


def say(text: str) -> None:
    """Print a text, at once: letters that the console lacks as escapes, and nothing that would steer it."""
    _write(sys.stdout, text)


def ended(command: Callable[[], int]) -> int:
    """Run a command; whatever stops it ends in a message of one line, or in silence where nobody listens.

    Returns
    -------
    What the command returns; 1 where the package refuses, 74 where the answer cannot be written, 130 after Ctrl-C, and
    141 where the reader of a pipe is gone.
    """
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()  # also where argparse printed and left
    except (SurveyError, InstallationError) as error:
        return _complain(str(error), REFUSED)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing was written", INTERRUPTED)
    except BrokenPipeError:
        _silence(sys.stdout)
        return CLOSED
    except OSError as error:
        _silence(sys.stdout)
        return _complain(f"the answer could not be written: {error.strerror or error}", UNWRITTEN)


def _complain(message: str, code: int) -> int:
    """Say on standard error what went wrong."""
    try:
        _write(sys.stderr, f"survey: {message}")
    except OSError:
        _silence(sys.stderr)
    return code


def _write(stream: TextIO, text: str) -> None:
    """Write a text in letters that the stream has."""
    encoding = stream.encoding or "utf-8"
    stream.write(visible(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Lead a stream that fails to nowhere, so that Python does not fail again when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream without a number
        return
