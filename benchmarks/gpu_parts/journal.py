"""Findings as lines of JSON that are on disk as soon as they are known: what comes next may take the machine along."""

import json
import os
import time
import traceback


class Journal:
    """Appends to a file; `stage` is who writes unless a note says otherwise."""

    def __init__(self, path, stage=""):
        self.path, self.stage = path, stage

    def note(self, stage, step, **found):
        """Write what was found."""
        line = json.dumps({"stage": stage or self.stage, "step": step, **found}, default=str)
        with self.path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(line, flush=True)

    def step(self, name, function, *arguments):
        """Call a function and note what it returns or how it failed, and the seconds. Returns whether all was well."""
        started = time.perf_counter()
        try:
            found = {"found": function(*arguments)}
        except Exception as error:
            message = str(error).strip().splitlines() or [""]
            found = {
                "failed": f"{type(error).__name__}: {message[0]}"[:300],
                "traceback": traceback.format_exc()[-2000:],
            }
        self.note("", name, seconds=round(time.perf_counter() - started, 3), **found)
        return "failed" not in found


def read(path):
    """The lines of a journal, but for one that was cut short."""
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
