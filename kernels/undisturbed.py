"""Work that no interrupt may cut short: imports and compilations.

Python runs signal handlers (Ctrl-C, alarms, a test runner's time limit) between two instructions of the main thread,
and what they raise leaves half made whatever was being made there: Numba's tables of what it can compile, or a package
of which only a part is imported. Nothing is raised into a thread that nobody knows of. So such work is done by one,
while the caller waits: it is the waiting that an interrupt ends, at once; the work is completed, and whoever asks for
the same next waits for that.

A process that forks waits for such work too, because its child would wait for a thread that it does not have.
"""

import _thread
import contextvars
import threading

from .forks import held_at_fork

_one_at_a_time = threading.RLock()
held_at_fork.append(_one_at_a_time)
_worker = None  # the thread that holds it


def undisturbed(function, *arguments):
    """``function(*arguments)`` on a thread of its own."""
    if _worker == threading.get_ident():
        return function(*arguments)
    outcome, done = [], threading.Lock()
    context = contextvars.copy_context()

    def work():
        global _worker
        try:
            with _one_at_a_time:
                _worker = threading.get_ident()
                try:
                    outcome.append((context.run(function, *arguments), None))
                finally:
                    _worker = None
        except BaseException as error:
            outcome.append((None, error))
        finally:
            done.release()

    def start():
        try:
            thread.start()
        except RuntimeError:  # the process may have no more threads
            work()

    # The interpreter waits for such a thread before it ends. To start it takes many instructions, so that is done where
    # no interrupt comes either.
    thread = threading.Thread(target=work, name="kmeans_fast", daemon=False)
    done.acquire()
    try:
        _thread.start_new_thread(start, ())
    except RuntimeError:  # none at all; or the interpreter is ending
        work()
    with done:
        value, error = outcome.pop()
    if error is not None:
        raise error
    return value
