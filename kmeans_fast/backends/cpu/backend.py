"""The backend object: what it can run, and sessions."""


class CpuBackend:
    name = "cpu"
    devices: tuple[str, ...] = ("cpu",)

    def is_available(self):
        return True, ""

    def supports(self, problem):
        if problem.n_clusters >= 2**31:
            return [f"labels are int32 and n_clusters={problem.n_clusters}"]
        if problem.n_features >= 2**24:
            return [f"n_features={problem.n_features} is beyond the kernels' 2**24"]
        return [] if problem.resident is None else ["the data is on a GPU"]

    def declines(self, problem):
        return ""

    def plan(self, problem, n_threads):
        from .planning import plan

        return plan(problem, n_threads)

    def open(self, X, weights, problem, n_threads):
        from .planning import threads_for
        from .session import CpuSession

        return CpuSession(X, weights, problem.n_clusters, threads_for(problem, n_threads), problem.frugal)
