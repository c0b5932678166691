"""Where compiled kernels are kept: where nobody else can put anything, because what is there will be executed.

So it belongs to the user or to root and is writable by no one else, and the same holds for every directory above it
(which may also be sticky, as /tmp is): who may rename one of those could put another in its place. A directory is
looked at when it is opened, and what is in it is opened through the descriptor of that directory. Windows, where users'
directories are private and descriptors of directories are not to be had, goes by names.

Where the user may not write, what is there is read: an image of a container or an administrator may have filled it.
"""

import contextlib
import os
import secrets
import stat
import sys
import time
from pathlib import Path

_BY_DESCRIPTOR = {os.open, os.mkdir, os.rename, os.unlink} <= os.supports_dir_fd and hasattr(os, "geteuid")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
LONGEST_WAIT = 60.0  # seconds for another process, which may have been stopped


def _default_root():
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "kmeans_fast" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kmeans_fast"


def _path(name):
    """The directory `name` of the cache, which need not be there; None where there is to be no cache."""
    root = os.environ.get("KMEANS_FAST_CACHE_DIR")
    if root == "":
        return None
    return Path(os.path.realpath(Path(root).expanduser() if root else _default_root()), name)


def directory(name):
    """The directory `name` of the cache, or None where no private directory can be had.

    Set KMEANS_FAST_CACHE_DIR to move the cache, or to the empty string to do without.
    """
    try:
        with _opened(name) as (path, _):
            return path
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def is_writable(name):
    """Whether the directory `name` can be had, and files can be put into it."""
    try:
        with _opened(name, to_write=True):
            return True
    except (OSError, RuntimeError):
        return False


def read(name, file):
    """The bytes of a file in the directory `name`; None where there is none, or others might have written it."""
    try:
        with _opened(name) as (path, descriptor):
            if descriptor is None:
                return (path / file).read_bytes()
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(file, flags, dir_fd=descriptor), "rb") as opened:
                status = os.fstat(opened.fileno())
                private = stat.S_ISREG(status.st_mode) and _is_private(status)
                return opened.read() if private else None
    except (OSError, RuntimeError):
        return None


def write(name, file, content):
    """Put a file into the directory `name`: whole, or not at all. Whether that succeeded."""
    part = f"{file}.{secrets.token_hex(8)}.part"
    try:
        with _opened(name, to_write=True) as (path, descriptor):
            try:
                if descriptor is None:
                    (path / part).write_bytes(content)
                    (path / part).replace(path / file)
                else:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    with open(os.open(part, flags, 0o600, dir_fd=descriptor), "wb") as opened:
                        opened.write(content)
                    os.rename(part, file, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(path / part) if descriptor is None else os.unlink(part, dir_fd=descriptor)
                raise
        return True
    except (OSError, RuntimeError):
        return False


def remove(name, file):
    """Remove a file from the directory `name`. Whether that succeeded."""
    try:
        with _opened(name, to_write=True) as (path, descriptor):
            (path / file).unlink() if descriptor is None else os.unlink(file, dir_fd=descriptor)
        return True
    except (OSError, RuntimeError):
        return False


def lock(name, file, waiting):
    """Have other processes wait that come here with the same arguments; a function that lets them go on.

    ``waiting()`` is called if this process has to wait itself. Nobody waits where there is no such lock: on Windows,
    and where nothing can be written.
    """
    try:
        with _opened(name, to_write=True) as (_, directory):
            if directory is None:
                return lambda: None
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(file, flags, 0o600, dir_fd=directory)
    except (OSError, RuntimeError):
        return lambda: None
    try:
        _wait(descriptor, waiting)
    except BaseException:  # interrupted
        os.close(descriptor)
        raise

    def release():
        remove(name, file)
        os.close(descriptor)

    return release


def _wait(descriptor, waiting):
    """Until the file is locked, others have kept it for too long, or there are no locks."""
    import fcntl

    until = None
    while until is None or time.monotonic() < until:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system releases it when a process ends
            return
        except BlockingIOError:
            if until is None:
                waiting()
                until = time.monotonic() + LONGEST_WAIT
            time.sleep(0.02)
        except OSError:  # a file system without locks
            return


@contextlib.contextmanager
def _opened(name, to_write=False):
    """The path of the directory `name`, made if it is missing, and a descriptor of it (None on Windows).

    OSError unless it is private, and writable if it is `to_write`.
    """
    path = _path(name)
    if path is None:
        raise FileNotFoundError("there is to be no cache")
    if not _BY_DESCRIPTOR:
        path.mkdir(parents=True, exist_ok=True)
        if to_write and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} is not writable")
        yield path, None
        return
    with contextlib.ExitStack() as stack:
        descriptor = _open_directory(path.anchor, None, stack)
        for part in path.parts[1:]:
            if not _is_safe(os.fstat(descriptor)):
                raise PermissionError(f"others may change what is above {path}")
            try:
                descriptor = _open_directory(part, descriptor, stack)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
                descriptor = _open_directory(part, descriptor, stack)
        if not _is_private(os.fstat(descriptor)):
            raise PermissionError(f"others may change what is in {path}")
        if to_write and not os.access(".", os.W_OK, dir_fd=descriptor):
            raise PermissionError(f"{path} is not writable")
        yield path, descriptor


def _open_directory(name, above, stack):
    # O_PATH, where there is one, asks for no permission to list the directory, which users may lack above their own.
    flags = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=above)
    stack.callback(os.close, descriptor)
    return descriptor


def _is_private(status):
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & _OTHERS_WRITE


def _is_safe(status):
    """Whether nobody but the user and root may rename what is in the directory."""
    if status.st_uid not in (0, os.geteuid()):
        return False
    writers = status.st_mode & _OTHERS_WRITE
    if writers == 0 or status.st_mode & stat.S_ISVTX:
        return True
    return writers == stat.S_IWGRP and _is_own_group(status.st_gid)


def _is_own_group(number):
    """Whether the group is the user's alone.

    Many systems give each user a group of the user's name, and let it write whatever the user makes.
    """
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and group.gr_gid == user.pw_gid and set(group.gr_mem) <= {user.pw_name}
