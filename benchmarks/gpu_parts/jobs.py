"""What is asked of a worker process, and what a section is told when it measures."""

import json
from collections.abc import Callable
from typing import NamedTuple


class Job(NamedTuple):
    """A section, or what is left of it."""

    section: str
    units: list  # names, in order
    seconds: float
    left_out: dict = {}  # unit -> contender -> why it is left out
    dry_run: bool = False
    options: dict = {}

    def __str__(self):
        return json.dumps(self._asdict())

    @classmethod
    def read(cls, text):
        return cls(**json.loads(text))


class Context(NamedTuple):
    """What a section knows of the run when it measures a unit."""

    seconds: float  # for this unit
    left: float  # for this unit and all that come after it
    left_out: dict  # contenders that are not to run, and why
    dry_run: bool
    tell: Callable  # tell(doing, seconds): what is done next, and how long the supervisor is to wait for the next word
