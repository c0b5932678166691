"""Texts that are numbers with signs of money, percent or thousands: people read them as numbers, and readers do not."""

import re

import numpy as np

PLAINLY = "write numbers as 12345.67, without signs of money, percent or thousands"
_SIGN = r"[%\u2030$\u00a2-\u00a5\u20a0-\u20c0]"
_DIGITS = r"\d{1,3}(?:[.,'\u2019 \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_WRITTEN = re.compile(rf"\(?[+-]?(?:[A-Z]{{0,3}}{_SIGN})?\s?[+-]?(?:{_DIGITS})\s?{_SIGN}?\)?")
_PLAIN = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def is_number_text(text: str) -> bool:
    """Whether a text is a number that is not written plainly: ``$1,200.50``, ``39 %``, ``1.200.000`` or ``(55)``."""
    return _WRITTEN.fullmatch(text) is not None and _PLAIN.fullmatch(text) is None


def number_text(texts: np.ndarray) -> str | None:
    """The first such text of a column, (n_samples,) of str and NaN, if all its texts are numbers, plain or not."""
    levels = list(dict.fromkeys(text for text in texts.tolist() if text == text))
    if not all(_WRITTEN.fullmatch(text) for text in levels):
        return None
    return next((text for text in levels if is_number_text(text)), None)
