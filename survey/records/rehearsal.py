"""Reading a file of unknown origin twice: first in a copy of this process, which may crash, hang or fill the memory.

The library that reads .sav and .dta files is written in C and trusts their headers: some damaged files end the whole
process. The copy (fork) has the same memory as this process, so that what it survives this one survives; it costs some
milliseconds and the reading, where a process that starts anew would cost half a second for each file. Where there is no
fork, on Windows, files are read once.
"""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

SECONDS = 60.0
BYTES_A_SECOND = 500_000
"""Time that a file may take: a minute, and longer the larger it is."""

MEMORY = 1_000_000_000
GROWTH = 60
"""Memory that a file may take: a gigabyte, or sixty times its size."""

FAILED = 3
PAUSE = 0.002


def rehearse(read: Callable[[], object], size: int) -> str:
    """Read in a copy of this process.

    Parameters
    ----------
    read : what reads the file.
    size : bytes of the file.

    Returns
    -------
    What went wrong, in words; empty where the file can be read.
    """
    if not hasattr(os, "fork"):
        return ""
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on threads: the copy runs none, and reads a file only
        copy = os.fork()
    if copy == 0:
        _read_and_leave(read, sending, memory=max(MEMORY, GROWTH * size))
    os.close(sending)
    try:
        status = _wait(copy, seconds=SECONDS + size / BYTES_A_SECOND)
        said = os.read(receiving, 1_000).decode("utf-8", "replace")
    finally:
        os.close(receiving)
    if status is None:
        return f"reading it takes longer than {SECONDS:.0f} seconds"
    if os.WIFSIGNALED(status):
        return f"it crashes the library that reads it (signal {os.WTERMSIG(status)})"
    return said or ("the library that reads it gave up" if status else "")


def _read_and_leave(read: Callable[[], object], sending: int, *, memory: int) -> None:
    """Read within bounds, say what went wrong, and end this copy of the process at once."""
    code = FAILED
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        _bound_memory(memory)
        read()
        code = 0
    except MemoryError:
        os.write(sending, f"reading it takes more than {memory / 1e9:.0f} GB of memory".encode())
    except BaseException as error:  # whatever it is must not leave this copy
        os.write(sending, " ".join(str(error).split())[:900].encode("utf-8", "replace") or b"it is damaged")
    finally:
        os._exit(code)


def _bound_memory(memory: int) -> None:
    """Let this process have so much more memory than it has now, where the system can bound it."""
    usage = Path("/proc/self/statm")
    if usage.exists():
        import resource

        used = int(usage.read_text().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        bound = used + memory if most == resource.RLIM_INFINITY else min(used + memory, most)
        resource.setrlimit(resource.RLIMIT_AS, (bound, most))


def _wait(copy: int, *, seconds: float) -> int | None:
    """How a process ended; None where it had to be ended, after some time."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(copy, os.WNOHANG)
            if done:
                return status
            time.sleep(PAUSE)
    except BaseException:
        _end(copy)
        raise
    _end(copy)
    return None


def _end(copy: int) -> None:
    """End a process that this one started."""
    os.kill(copy, signal.SIGKILL)
    os.waitpid(copy, 0)
