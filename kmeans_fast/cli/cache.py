"""``kmeans-fast cache``: what is in the cache of compiled kernels; whether it is whole; an empty one."""

from ..messages import counted
from . import kernel_cache
from .tables import pairs


def run(args):
    """Run the subcommand."""
    if args.clear:
        removed, left = kernel_cache.clear()
        if left:
            raise RuntimeError(f"{counted(left, 'file')} could not be removed: {_places()}")
        print(f"{counted(removed, 'file')} removed: {_places()}")
        return 0
    if args.check:
        bad = kernel_cache.damaged()
        print("\n".join([*bad, f"{counted(len(bad), 'damaged file')}: {_places()}"]))
        return 1 if bad else 0
    places = kernel_cache.DIRECTORIES.items()
    print(pairs([(label, kernel_cache.where(kernel_cache.contents(name))) for name, label in places]))
    return 0


def _places():
    found = [kernel_cache.contents(name) for name in kernel_cache.DIRECTORIES]
    return ", ".join(dict.fromkeys(one["directory"] or kernel_cache.where(one) for one in found))
