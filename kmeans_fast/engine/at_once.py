"""Parts on several devices, asked at the same time: a thread for each device."""

import contextvars
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ..backends.masses import Masses
from ..backends.partials import merged
from .parts import Parts
from .update import means


class Threads:
    """A thread for each device.

    Parameters
    ----------
    devices : sequence of str
        That of each part.
    as_here : callable
        ``as_here(device)``: a context in which another thread works with a device as this one does.
    """

    def __init__(self, devices, as_here):
        self.numbers = {device: [] for device in devices}  # of the parts of each
        for at, device in enumerate(devices):
            self.numbers[device].append(at)
        self.as_here, self.pool = as_here, ThreadPoolExecutor(len(self.numbers), "kmeans_fast device")

    def ask(self, call):
        """What ``call(numbers)`` returns for the numbers of the parts of each device."""

        def work(context, numbers):
            with context:
                return call(numbers)

        futures = [
            self.pool.submit(contextvars.copy_context().run, work, self.as_here(device), numbers)
            for device, numbers in self.numbers.items()
        ]
        wait(futures)  # nobody is at work any more where one has failed
        return [future.result() for future in futures]

    def each(self, objects, name, arguments):
        """What a method of each object, one for a part, returns."""
        found = self.ask(lambda numbers: [getattr(objects[at], name)(*arguments) for at in numbers])
        out = [None] * len(objects)
        for numbers, of_device in zip(self.numbers.values(), found):
            for at, one in zip(numbers, of_device):
                out[at] = one
        return out


class PartsAtOnce(Parts):
    """See `parts.Parts`; parts of the same device are asked one after the other.

    Parameters
    ----------
    parts, rule
        As for `Parts`.
    threads : Threads
    """

    def __init__(self, parts, threads, rule=means):
        super().__init__(parts, rule)
        self.threads = threads

    def each(self, name, *arguments):
        return self.threads.each(self.parts, name, arguments)

    def total(self, name, *arguments):
        def of_device(numbers):
            return merged(getattr(self.parts[at], name)(*arguments) for at in numbers)

        return merged(self.threads.ask(of_device))

    def _masses(self, fine=False):
        return MassesAtOnce(self, fine)


class MassesAtOnce(Masses):
    """See `kmeans_fast.backends.masses.Masses`."""

    def __init__(self, session, fine=False):
        self.threads = session.threads
        super().__init__(session, session.parts, fine)

    def each(self, name, *arguments):
        return self.threads.each(self.parts, name, arguments)

    def weigh(self, shift):
        return merged(self.threads.ask(lambda numbers: self.weighed(shift, [self.parts[at] for at in numbers])))

    def accept(self, candidates, best):
        def gained(numbers):
            of_buckets = np.zeros_like(self.of_buckets)
            for at in numbers:
                self.parts[at].accept(best, of_buckets)
            return of_buckets

        self.of_buckets += merged(self.threads.ask(gained))
