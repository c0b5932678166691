"""The page: an `Analysis` through a template."""

import datetime
import html
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..messages import counted
from .analysis import Analysis
from .templates import rendered

_TEMPLATE = Path(__file__).with_name("report.html")


def page(analysis: Analysis, now: datetime.datetime | None = None) -> str:
    """The HTML of a report: one file, that asks for nothing from elsewhere.

    Raises
    ------
    ImportError
        If Jinja2 is missing.
    """
    filters: dict[str, Callable[..., Any]] = {
        "counted": counted,
        "number": _number,
        "duration": _duration,
        "options": _with_options,
    }
    made = (now or datetime.datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M")
    return rendered(_TEMPLATE, filters, **analysis._asdict(), made=made)


def _number(value):
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def _with_options(text):
    """Text as HTML, in which an option and its value are code: they are not broken at their dashes."""
    from markupsafe import Markup  # Jinja's

    return Markup(re.sub(r"--[a-z]+(?: [a-z]+)?", lambda found: f"<code>{found[0]}</code>", html.escape(text)))


def _duration(seconds):
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
