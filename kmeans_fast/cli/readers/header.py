"""Whether the first row of a text table names the columns, judged by the rows below; refused if it may be either."""

import functools
import re

from ...messages import quoted

_ABSENT = {"", "?", "-", "na", "n/a", "<na>", "nan", "null", "none"}
_MISSING = _ABSENT | {"inf", "-inf", "+inf", "infinity", "-infinity"}
ABSENT = sorted({form for text in _ABSENT for form in (text, text.upper(), text.title())} | {"NaN"})  # as parsers want
_NUMBER = {
    decimal: re.compile(rf"[+-]?(?:[0-9]+{point}?[0-9]*|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?")
    for decimal, point in ((".", r"\."), (",", ","))
}
_INTEGER = re.compile(r"[0-9]{1,9}")
_MANY = 8  # a first row of so many numbers that count up is hardly data, even among whole numbers


def is_number(text, decimal):
    """Whether a cell is a number in the usual notation: Python's ``1_000`` and ``nan`` are not."""
    return _NUMBER[decimal].fullmatch(text) is not None


def is_missing(text):
    """Whether a cell says that there is no number, or none that is finite."""
    return text.lower() in _MISSING


def is_absent(text):
    """Whether a cell says that there is no value."""
    return text.lower() in _ABSENT


class Judge:
    """The first row beside the rows below it, each a list of as many `Cell`s."""

    def __init__(self, first, below):
        self.first, self.below = first, below

    @functools.cached_property
    def kinds(self):
        """What is below in each column: "number", "text", "mixed", or "nothing"."""
        return list(map(self._kind, range(max(map(len, [self.first, *self.below[:1]])))))

    def _kind(self, column):
        found = {self._is_number(row[column]) for row in self.below if not is_missing(row[column].text)}
        if len(found) == 2:
            return "mixed"
        return {True: "number", False: "text"}[found.pop()] if found else "nothing"

    def names_columns(self, where):
        """Whether the first row, `where` in words, is a header; ValueError if it may be either."""
        names = [column for column, cell in enumerate(self.first) if self._is_name(cell)]
        numbers = [column for column, cell in enumerate(self.first) if self._is_number(cell)]
        if not self.below:
            if names and numbers:
                raise self._doubt(where, names)
            return bool(names)
        above = [column for column in names if self.kinds[column] in ("number", "nothing")]
        data = [
            column
            for column in numbers
            if self.kinds[column] in ("number", "mixed") and not self._is_quoted_name(column)
        ]
        if not data:
            return bool(above) or self._is_new(names)
        counts = self._counts_up(data)
        if not self.first[0].text and [cell.text for cell in self.first[1:]] == list(map(str, range(len(data)))):
            return True  # pandas' header of columns without names: an empty cell above the index, then 0, 1, 2, ...
        if above:
            if counts == "surely":
                return True
            raise self._doubt(where, above)
        if counts or (len(names) and self._is_new(names) and self._are_years(data)):
            raise self._doubt(where, names)
        return False

    def _is_number(self, cell):
        # With the other decimal mark it is a number too, which the parser refuses with the way out.
        return is_number(cell.text, ".") or is_number(cell.text, ",")

    def _is_name(self, cell):
        return not self._is_number(cell) and not is_missing(cell.text)

    def _is_quoted_name(self, column):
        """A number in quotes above numbers without."""
        return self.first[column].quoted and not any(row[column].quoted for row in self.below)

    def _is_new(self, names):
        """Whether the texts of the first row do not come again below."""
        return bool(names) and all(
            row[column].text != self.first[column].text for column in names for row in self.below
        )

    def _counts_up(self, columns):
        """ "surely" or "perhaps" if the first row counts the columns (0, 1, 2, ... or 2019, 2020, ...); "" if not."""
        texts = [self.first[column].text for column in columns]
        if len(texts) < 2 or not all(map(_INTEGER.fullmatch, texts)):
            return ""
        values = list(map(int, texts))
        if values != list(range(values[0], values[0] + len(values))) or (len(values) == 2 and values[0] > 0):
            return self._are_years(columns) and "perhaps"
        below = [row[column].text for row in self.below for column in columns if not is_missing(row[column].text)]
        if all(map(_INTEGER.fullmatch, below)):
            return "perhaps" if len(values) >= _MANY else ""
        return "surely" if values[0] == 0 else "perhaps"

    def _are_years(self, columns):
        """Whether the numbers are years above numbers that are not whole."""
        texts = [self.first[column].text for column in columns]
        below = [row[column].text for row in self.below for column in columns if not is_missing(row[column].text)]
        return all(re.fullmatch(r"1[89]\d\d|20\d\d", text) for text in texts) and not all(
            map(_INTEGER.fullmatch, below)
        )

    def _doubt(self, where, texts):
        if texts:
            what = f"has both numbers and text ({quoted(self.first[texts[0]].text)})"
        else:
            what = f"({', '.join(cell.text[:60] for cell in self.first[:3])}, ...) may be names or numbers"
        return ValueError(f"{where} {what}: say --header yes if it names the columns, --header no if it does not")
