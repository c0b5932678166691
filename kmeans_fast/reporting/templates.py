"""Templates of pages: `base.html` has what they share, such as the colours of light and dark screens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

_SHARED = Path(__file__).parent


def rendered(template: Path, filters: dict[str, Callable], **values: Any) -> str:
    """A template of Jinja's with values: texts are escaped, and a name without a value is an error.

    Raises
    ------
    ImportError
        If Jinja2 is missing.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("Reports need Jinja2 and matplotlib: install them (the extra 'report').") from error

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _SHARED]), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= filters
    return environment.get_template(template.name).render(**values)
