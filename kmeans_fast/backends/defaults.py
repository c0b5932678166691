"""What backends have in common: those that work on the host, and those without a way for several problems."""

import contextlib
from collections.abc import Sequence
from typing import Any

from .protocol import Plan, Problem, Share
from .together import Problems


class OnHost:
    """What a `Backend` says that works on the CPU, on rows where they are."""

    devices: tuple[str, ...] = ("cpu",)
    reads_narrow = False
    proved: int | None = None  # its scores have a proved bound for fewer than 2**proved features; None: for all

    def is_available(self) -> tuple[bool, str]:
        return True, ""

    def supports(self, problem: Problem) -> list[str]:
        if problem.n_clusters >= 2**31:
            return [f"labels are int32 and n_clusters={problem.n_clusters}"]
        if self.proved is not None and problem.n_features >= 2**self.proved:
            proved = f"the 2**{self.proved} that the bounds of scores are proved for"
            return [f"n_features={problem.n_features} is beyond {proved}"]
        return [] if problem.resident is None else ["the data is on a GPU"]

    def declines(self, problem: Problem) -> str:
        return ""

    def shares(self, problem: Problem, sizes: Sequence[int] | None = None) -> list[Share] | None:
        return None

    def brought(self, chunks: list, problem: Problem) -> list:
        return chunks

    def as_here(self, problem: Problem) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()


class OneByOne:
    """What a `Backend` says of several problems that it has no way to run together."""

    def batches(self, problem: Problem, problems: int, runs: int, n_threads: int | None) -> str:
        return "it runs one problem after the other"

    def plan_problems(self, problem: Problem, problems: int, runs: int, n_threads: int | None) -> Plan:
        raise NotImplementedError

    def open_problems(self, X: Any, weights: Any, problem: Problem, runs: int, n_threads: int | None) -> Problems:
        raise NotImplementedError
