"""The backend object: which GPU, what it can run, and sessions."""

import functools

from .availability import missing


class CudaBackend:
    name = "cuda"
    devices: tuple[str, ...] = ("cuda",)
    reads_narrow = True

    def is_available(self):
        reason = missing()
        return not reason, reason

    def device(self, problem):
        """The `Device` for a problem: the first one named, else the one that the data is on, else the current one."""
        named = _numbers(problem.device)
        if named:
            return self.numbered(named[0])
        return self.numbered(self.current_number() if problem.resident is None else problem.resident)

    def current_number(self):
        from .cupy_device import current_device

        return current_device()

    def numbered(self, number):
        """The `Device` of a number."""
        return _opened(number)

    def supports(self, problem):
        from .planning import MOST_CLUSTERS, MOST_FEATURES, MOST_ROWS

        reasons = []
        if problem.n_samples > MOST_ROWS:
            reasons.append(f"row numbers are int32 and n_samples={problem.n_samples}")
        if problem.n_clusters > MOST_CLUSTERS:
            reasons.append(
                f"n_clusters={problem.n_clusters} is beyond the {MOST_CLUSTERS:,} that seeding has candidates for"
            )
        if problem.n_features >= MOST_FEATURES:
            reasons.append(
                f"n_features={problem.n_features} is beyond the {MOST_FEATURES:,} that scores have a bound for"
            )
        if problem.resident is not None and _numbers(problem.device) not in ([], [problem.resident]):
            reasons.append(f"the data is on cuda:{problem.resident}")
        return reasons or self._of_device(problem)

    def _of_device(self, problem):
        try:
            self.devices_of(problem)
        except (ValueError, RuntimeError, ImportError) as error:
            return [str(error)]
        return []

    def declines(self, problem):
        from .cost import declines

        return declines(problem)

    def plan(self, problem, n_threads):
        from .planning import plan

        return plan(problem, self.device(problem).properties)

    def open(self, X, weights, problem, n_threads):
        from .gathering import OnDevice
        from .planning import check_fits, workspace_bytes
        from .session import CudaSession

        device = self.device(problem)
        on_host = problem.resident is None
        brought = 0 if isinstance(X, OnDevice) else problem.data_bytes * on_host
        check_fits(device, workspace_bytes(problem, device.properties) + brought, problem)
        return CudaSession(device, X, weights, problem.n_clusters, on_host=on_host)

    def devices_of(self, problem):
        """The devices that rows on the host are shared out to, by the names that a `Problem` has for them."""
        numbers = _numbers(problem.device) or [self.device(problem).number]
        return {f"cuda:{number}": self.numbered(number) for number in numbers}

    def shares(self, problem, sizes=None):
        from .sharing import shares

        return None if problem.resident is not None else shares(problem, self.devices_of(problem), sizes)

    def brought(self, chunks, problem):
        from .streaming import Brought, Uploads

        uploads = Uploads(self.device(problem), chunks, problem)
        return [Brought(uploads, number, chunk) for number, chunk in enumerate(chunks)]

    def as_here(self, problem):
        return self.device(problem).as_here()

    def batches(self, problem, problems, runs, n_threads):
        from .planning import free_bytes, problems_bytes
        from .runs import objection
        from .scorers import forced_scorer

        if forced_scorer():
            return f"the scorer {forced_scorer()!r} was asked for"
        if len(_numbers(problem.device)) > 1:
            return "several GPUs were asked for"
        device = self.device(problem)
        reason = objection(problem, runs, device.properties)
        if reason or problems > 1 or problem.resident is not None:
            return reason
        needed = problems_bytes(problem, 1, runs, device.properties) + 4 * runs * problem.n_samples + problem.data_bytes
        return "the GPU has no room for it" if needed > free_bytes(device, needed) else ""

    def plan_problems(self, problem, problems, runs, n_threads):
        from .planning import plan_problems

        return plan_problems(problem, problems, runs, self.device(problem).properties)

    def open_problems(self, X, weights, problem, runs, n_threads):
        from .planning import check_fits, problems_bytes
        from .problems import CudaProblems

        device = self.device(problem)
        on_host = problem.resident is None
        needed = problems_bytes(problem, len(X), runs, device.properties) + 4 * runs * problem.n_samples
        check_fits(device, needed + len(X) * problem.data_bytes * on_host, problem, len(X))
        return CudaProblems(device, X, weights, problem.n_clusters, runs=runs, on_host=on_host)


def _numbers(device):
    """The numbers in "cuda:N" or "cuda:N,M"; none where there are none."""
    return [int(number) for number in device.partition(":")[2].split(",") if number]


@functools.cache
def _opened(number):
    from .cupy_device import CupyDevice

    return CupyDevice(number)
