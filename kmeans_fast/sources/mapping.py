"""A file as arrays in memory, without a copy, that nobody can cut short while they are looked at.

Whoever reads a mapped page that the file no longer has is ended by the system. A lease (Linux, fcntl(2)) keeps that
from happening: as long as it is held, whoever opens the file to write to it waits, and we can tell that somebody does.
It can be had for files of one's own, on most local file systems, that nobody has open for writing.
"""

import contextlib
import fcntl
import mmap
import os
import signal
import threading

import numpy as np


class Mapping:
    """The bytes of a file.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError, ValueError
        Where there is no room for a map; if the file is empty.
    """

    def __init__(self, path):
        self.lock, self.leases, self.process = threading.RLock(), 0, os.getpid()
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.bytes = np.frombuffer(mmap.mmap(self.file, 0, access=mmap.ACCESS_READ), np.uint8)

    def __del__(self):
        if hasattr(self, "file"):
            os.close(self.file)

    def array(self, shape, dtype, offset):
        """A read-only array that begins at a byte of the file, which has a lease for as long as somebody refers to it.

        Raises
        ------
        OSError
            If there is no lease, or somebody waits for the end of an earlier one.
        TypeError
            If the file is shorter than that.
        """
        return np.ndarray(shape, dtype, np.asarray(_Leased(self)), offset)

    def lease(self):
        with self.lock:
            self.leases += 1
            try:
                if self.leases == 1:
                    # The system tells by a signal that somebody waits. SIGIO would end the process; this one does
                    # nothing by itself, and we ask. The end of a lease forgets which it is to be.
                    fcntl.fcntl(self.file, fcntl.F_SETSIG, signal.SIGURG)
                    fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                elif fcntl.fcntl(self.file, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
                    raise BlockingIOError("another process waits to write to the file")
                if os.fstat(self.file).st_size < self.bytes.size:
                    raise OSError("the file has become shorter")
            except OSError:
                self.release()
                raise

    def release(self):
        with self.lock:
            self.leases -= 1
            if self.leases == 0 and os.getpid() == self.process:  # a child of ours has the same lease
                with contextlib.suppress(OSError):  # it was refused, or the system has ended it: after 45 s it may
                    fcntl.fcntl(self.file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


class _Leased:
    """What an array refers to that has a lease."""

    def __init__(self, mapping):
        mapping.lease()
        self.mapping = mapping
        self.__array_interface__ = mapping.bytes.__array_interface__

    def __del__(self):
        if hasattr(self, "mapping"):
            self.mapping.release()


def mapping_of(path):
    """A `Mapping` whose arrays can be had; None where they cannot."""
    try:
        found = Mapping(path)
        found.array(0, np.uint8, 0)
        return found
    except (OSError, ValueError):
        return None
