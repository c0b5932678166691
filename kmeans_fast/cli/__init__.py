"""The command ``kmeans-fast``: `main` runs a subcommand and turns every foreseen error into one line and an exit code.

Results go to stdout, all else to stderr. Exit codes: 0, 1 for failures, 2 for wrong use or bad data, 130 for Ctrl-C.
A subcommand is a module of this package of its name, with _ for -. Its function ``run(args)`` returns the exit code, or
None for 0. It is imported when it is asked for, so that ``kmeans-fast --help`` loads not even NumPy.
"""

import importlib
import io
import os
import sys
import warnings

from . import progress
from .parser import PROGRAM, make_parser

__all__ = ["main"]


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments after the program's name; default ``sys.argv[1:]``.

    Returns
    -------
    int
        The exit code.
    """
    _mend_streams()
    parser = make_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # argparse's way to end after --help or an error
        return end.code
    args.argv = list(sys.argv[1:] if argv is None else argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = importlib.import_module(f".{args.command.replace('-', '_')}", __package__).run(args) or 0
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            progress.note(f"{PROGRAM}: interrupted")
            return 130
        except BrokenPipeError:
            # The reader of stdout (head, less) has gone. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except ValueError as error:
            return _report(error, 2)
        except MemoryError as error:
            return _report(str(error) or "out of memory", 1)
        except (OSError, ImportError, RuntimeError) as error:
            return _report(error, 1)


def _mend_streams():
    """What the caller has closed is the null device, and a letter that an encoding lacks is written as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _report(error, code):
    progress.note(f"{PROGRAM}: error: {' '.join(str(error).split())}")
    return code


def _show_warning(message, category, filename, lineno, file=None, line=None):
    progress.note(f"{PROGRAM}: warning: {' '.join(str(message).split())}")
