"""The rows of a file some at a time: what a reader adds is handed on, and forgotten."""

import numpy as np

from .collected import Collected, Levels


class Blocks(Collected):
    """Holds the rows of one `add` at a time, and hands them on as a `Table`. Places are those in the file."""

    def __init__(self, path, names, chosen, data, n_samples=0, progress=None, missing=False):
        super().__init__(path, names, chosen, data, 0, progress, missing)
        self.dtype, self._known = data.dtype if isinstance(data, np.ndarray) else data, n_samples
        self.texts, self.as_they_are = chosen.texts, isinstance(data, np.ndarray)

    def add(self, block, share=None, line_of=None, texts=()):
        """As that of `Collected`; the rows are handed on."""
        n = len(block) if isinstance(block, np.ndarray) else len(block[0]) if block else len(texts[0])
        self.first, self.levels = self.n_rows, {index: Levels() for index in self.texts}
        self.data = block if self.as_they_are else np.empty((n, len(self.features)), self.dtype)
        super().add(block, share, line_of, texts)
        found = self.result([])
        self.data, self.levels = self.data[:0], {}
        return (found,)
