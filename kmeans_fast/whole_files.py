"""Files that are written whole or not at all."""

import contextlib
import errno
import functools
import os
import secrets
import stat

_OWN_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")  # names of what the process has open, even where that is a file
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class WholeFiles(contextlib.AbstractContextManager):
    """Several files that appear together when the block ends, or not at all if it raises.

    Each is written in the directory of its target, flushed to the disk and then renamed, so that an old file is
    replaced only by a complete new one. Nothing is left of a file that could not be written. Where the system allows it
    (Linux), a file has no name until it is complete, so that nothing is left when the process is killed either;
    elsewhere it has a new one, ``.kmeans-fast-*.partial``. The target of a symbolic link is replaced, and a file keeps
    its permissions. What is no file (a device, a pipe, the process's own standard output) is written to directly.

    Examples
    --------
    >>> import os, tempfile
    >>> from kmeans_fast.whole_files import WholeFiles
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers.txt")
    >>> with WholeFiles() as files:
    ...     _ = files.open(path, "w").write("1 2 3")
    ...     os.path.exists(path)
    False
    >>> open(path).read()
    '1 2 3'
    """

    def __init__(self):
        self._files = []
        self._renames = []  # (file, new name, target)

    def open(self, path, mode="wb", **options):
        """A file to write `path` with, closed and renamed when the block ends.

        Parameters
        ----------
        path : path-like
        mode : {"wb", "w"}
        **options
            As for the built-in `open`.

        Raises
        ------
        OSError
            Naming `path`: if there is no such directory, or one may not write there.
        """
        path = os.path.abspath(os.fspath(path))
        old = _status(path)
        if path.startswith(_OWN_STREAMS) or not (old is None or stat.S_ISREG(old.st_mode)):
            file = open(path, mode, **options)  # noqa: SIM115 (closed when the block ends); a directory is refused here
        else:
            target = os.path.realpath(path)
            if old is not None and not os.access(target, os.W_OK):
                raise PermissionError(13, "the file may not be written", path)
            partial = _new_name(os.path.dirname(target))
            try:
                file = open(partial, mode, opener=_create, **options)  # noqa: SIM115
            except OSError as error:
                raise type(error)(error.errno, error.strerror, path) from None
            self._renames.append((file, partial, target))
            if old is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
        self._files.append(file)
        return file

    def __exit__(self, kind, error, traceback):
        try:
            self._named(error)
            if kind is None:
                self._finish()
        except OSError as error:
            self._named(error)
            raise
        finally:
            for file in self._files:
                with contextlib.suppress(OSError):  # what could not be flushed is of no use
                    file.close()
            for _, partial, _ in self._renames:
                with contextlib.suppress(OSError):  # it has been renamed, or could not be made
                    os.unlink(partial)  # nor has one that never had a name

    def _named(self, error):
        """The system does not say of what there is no room for: it is the file, or the directory of all files."""
        if isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None and self._renames:
            with contextlib.suppress(ValueError):  # on several drives
                error.filename = os.path.commonpath([target for _, _, target in self._renames])

    def _finish(self):
        """All bytes of all files are on the disk before the first old one is replaced."""
        for file in self._files:
            file.flush()
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fsync(file.fileno())
        for file, partial, _ in self._renames:
            if not os.path.exists(partial):
                _link(file.fileno(), partial)
        for file in self._files:
            file.close()
        for _, partial, target in self._renames:
            os.replace(partial, target)


def check_writable(path):
    """Raise OSError if one may not write a file at `path`; what is there stays."""
    with contextlib.suppress(_Nothing), WholeFiles() as files:
        files.open(path)
        raise _Nothing


class _Nothing(Exception):
    """There is nothing to write."""


def _new_name(directory):
    return os.path.join(directory, f".kmeans-fast-{secrets.token_hex(8)}.partial")


def _link(descriptor, path):
    """Give a name to an open file that has none."""
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=0)  # with a descriptor os.link follows links, as documented


@functools.cache
def _takes_nameless(directory):
    """Whether files without a name can be made in a directory, and get one later."""
    name = _new_name(directory)
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY)
        try:
            _link(descriptor, name)
        finally:
            os.close(descriptor)
        os.unlink(name)
    except (OSError, AttributeError):  # other systems, file systems on a network, no /proc
        return False
    return True


def _create(path, flags):
    """A new file, never one that is there already or that a link points at, with the permissions of all new files."""
    directory = os.path.dirname(path)
    if _takes_nameless(directory):
        return os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o666)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666)


def _status(path):
    try:
        return os.stat(path)
    except OSError:  # no such file, or a link that leads nowhere: opening tells the rest
        return None
