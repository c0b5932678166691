"""What all reports have: tables of Markdown, and the files they are written to."""

import json

from .journal import write_whole


def table(header, rows, left=1):
    """A Markdown table; the first columns to the left, numbers to the right. A header may be text with bars in it."""
    header = header.split(" | ") if isinstance(header, str) else header
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in (header, rule, *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(*parts):
    """Parts with empty lines between them."""
    return "\n\n".join(parts)


def versions(found):
    """A line of those that are installed."""
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in found.items() if number) + "."


def dry_run(where):
    """A warning above numbers that mean nothing."""
    return f"**A dry run {where}, with tiny sizes: these numbers mean nothing.**"


def milliseconds(seconds):
    """With one decimal, or a dash for None."""
    return "-" if seconds is None else f"{seconds * 1e3:.1f}"


class Output:
    """Prints a section when it is done and rewrites the files: a run that is cut short keeps what it has measured."""

    def __init__(self, contents, json_path=None, markdown_path=None):
        self.contents, self.json_path, self.markdown_path, self.text = contents, json_path, markdown_path, []

    def add(self, text):
        """A piece of Markdown."""
        self.text.append(text)
        print(text, end="\n\n", flush=True)
        self.write()

    def write(self):
        """Write both files as far as they are."""
        if self.markdown_path and self.text:
            write_whole(self.markdown_path, page(*self.text) + "\n")
        if self.json_path:
            write_whole(self.json_path, json.dumps(self.contents, indent=1, default=str) + "\n")
