"""The rows of a file some at a time: what a reader adds is handed on, and forgotten."""

import numpy as np

from .collected import Collected, Levels


class Blocks(Collected):
    """Holds the rows of one `add` at a time; ``take(table)`` gets each as a `Table`. Places are those in the file."""

    def __init__(self, take, path, names, chosen, data, n_samples=0, progress=None, missing=False):
        super().__init__(path, names, chosen, data, 0, progress, missing)
        self.take, self.dtype, self._known = take, data.dtype if isinstance(data, np.ndarray) else data, n_samples
        self.as_they_are = isinstance(data, np.ndarray)

    def add(self, block, share=None, line_of=None, texts=()):
        """As that of `Collected`; the rows are handed on."""
        n = len(block) if isinstance(block, np.ndarray) else len(block[0]) if block else len(texts[0])
        self.first, self.levels = self.n_rows, {index: Levels() for index in self.levels}
        self.data = block if self.as_they_are else np.empty((n, len(self.features)), self.dtype)
        super().add(block, share, line_of, texts)
        self.take(self.result([]))
