"""A file as arrays in memory, without a copy, that nobody can cut short while they are looked at.

Whoever reads a mapped page that the file no longer has is ended by the system. A lease (Linux, fcntl(2)) keeps that
from happening: as long as it is held, whoever opens the file to write to it waits, and we can tell that somebody does.
It can be had for files of one's own that nobody has open for writing. Where others may write by way of another machine,
or of a program that is the file system (FUSE), it says nothing about them: there it is not asked for.
"""

import contextlib
import fcntl
import mmap
import os
import resource
import signal
import threading

import numpy as np

# File systems of this machine's own disks and memory.
_LOCAL = (
    "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "ntfs3", "overlay", "ramfs",
    "squashfs", "tmpfs", "vfat", "xfs", "zfs",
)  # fmt: skip


class Mapping:
    """The bytes of a file.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError, ValueError
        Where there is no room for a map; if the file is empty; where the lease would say nothing (`_LOCAL`).
    """

    def __init__(self, path):
        self.lock, self.leases, self.process = threading.RLock(), 0, os.getpid()
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        _check_room(self.file)
        if _file_system(self.file) not in _LOCAL:
            raise OSError("others may write to the file by way of another machine")
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

    def close(self):
        """No array is looked at any more, not even one that an exception's traceback refers to: let others write."""
        if os.getpid() == self.process:
            with self.lock:
                self._end()

    def lease(self):
        if os.getpid() != self.process:  # a child has the same lease, and locks as another thread may have left them
            raise OSError("the lease is that of another process")
        with self.lock:
            self.leases += 1
            try:
                if self.leases == 1:
                    if signal.getsignal(signal.SIGURG) not in (signal.SIG_DFL, signal.SIG_IGN):
                        raise OSError("the application has another use for the signal")
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
        if os.getpid() == self.process:
            with self.lock:
                self.leases -= 1
                if self.leases == 0:
                    self._end()

    def _end(self):
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


def _check_room(file):
    """Raise OSError where maps would take from the process what it needs for other things.

    That is half of the files that it may have open (of which a map is two), and any address space that is limited.
    """
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        raise OSError("address space is limited")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most != resource.RLIM_INFINITY and file > most // 2:  # the system gives the lowest number that is free
        raise OSError("too many files are open")


def _file_system(file):
    """The kind of file system that an open file is on; "" where nothing tells. OSError without /proc."""
    with open(f"/proc/self/fdinfo/{file}") as told:
        wanted = [line.split()[1] for line in told if line.startswith("mnt_id:")]
    with open("/proc/self/mountinfo", errors="replace") as mounts:
        found = [line.split(" - ")[-1].split()[0] for line in mounts if line.split()[:1] == wanted]
    return found[0] if found else ""


def mapping_of(path):
    """A `Mapping` whose arrays can be had; None where they cannot."""
    try:
        found = Mapping(path)
        found.array(0, np.uint8, 0)
        return found
    except (OSError, ValueError):
        return None
