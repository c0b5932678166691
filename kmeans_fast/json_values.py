"""What values of JSON are, for the checks of files that come from anywhere."""

import math


def is_number(value):
    """Whether it is a finite number, an integer of 64 bits if it is one."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_whole(value, least=0):
    """Whether it is a whole number of at least `least`."""
    return is_number(value) and isinstance(value, int) and value >= least


def is_flag(value):
    """Whether it is True or False."""
    return isinstance(value, bool)


def are_texts(values):
    """Whether it is a list of texts."""
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def require(kept, rule):
    """Raise ValueError with the rule if it is not kept."""
    if not kept:
        raise ValueError(rule)


def fields(value, names, what):
    """The values of a dict that has these fields and no others."""
    require(isinstance(value, dict) and set(value) == set(names), f"{what} must have {', '.join(names)}, got {value!r}")
    return [value[name] for name in names]
