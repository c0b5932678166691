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
        """The `Device` for a problem: the one named, else the one that the data is on, else the current one."""
        from .cupy_device import current_device

        named = _number(problem.device)
        if named is not None:
            return _opened(named)
        return _opened(current_device() if problem.resident is None else problem.resident)

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
        if problem.resident is not None and _number(problem.device) not in (None, problem.resident):
            reasons.append(f"the data is on cuda:{problem.resident}")
        return reasons or self._of_device(problem)

    def _of_device(self, problem):
        try:
            self.device(problem)
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
        from .planning import check_fits, workspace_bytes
        from .session import CudaSession

        device = self.device(problem)
        on_host = problem.resident is None
        check_fits(device, workspace_bytes(problem, device.properties) + problem.data_bytes * on_host, problem)
        return CudaSession(device, X, weights, problem.n_clusters, on_host=on_host)

    def batches(self, problem, problems, runs, n_threads):
        from .runs import objection
        from .scorers import forced_scorer

        if forced_scorer():
            return f"the scorer {forced_scorer()!r} was asked for"
        return objection(problem, runs, self.device(problem).properties)

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


def _number(device):
    """The number in "cuda:N"; None where there is none."""
    return int(device.partition(":")[2]) if ":" in device else None


@functools.cache
def _opened(number):
    from .cupy_device import CupyDevice

    return CupyDevice(number)
