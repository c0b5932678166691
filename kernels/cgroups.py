"""Where the limits of the process's container stand (Linux)."""


def directories(root, controller):
    """The directories of the process's cgroup and of all above it, which limit it too.

    In a container the path that the kernel tells may be that of the host; the container's own cgroup is then the root.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    controller : str
        One of version 1; the empty string for version 2.
    """
    own = ""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == controller or controller in controllers.split(","):
            own = path.strip("/")
    top = root / "sys/fs/cgroup" / controller
    place = top / own if ".." not in own.split("/") else top
    return [place, *(parent for parent in place.parents if parent.is_relative_to(top))]


def _text(path):
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
