"""What was found is on disk at once: what comes next may take the machine along."""

import json
import os
import time
import traceback

from .timing import first_line


def write_whole(path, text):
    """Replace a file: whoever reads it finds the old text or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Journal:
    """Appends lines of JSON to a file; `stage` is who writes unless a note says otherwise."""

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
            found = {"failed": first_line(error), "traceback": traceback.format_exc()[-2000:]}
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
