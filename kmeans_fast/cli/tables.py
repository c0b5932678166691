"""Text for people: tables and numbers."""


def table(header, rows, align=None):
    """Rows of text below a header, aligned to the right, or column by column as `align` (such as "<>>") tells."""
    align = align or ">" * len(header)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    cells = ([f"{cell:{side}{width}}" for cell, side, width in zip(line, align, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in cells)


def pairs(items):
    """Lines of ``name  value``, values aligned; `items` are (name, value)."""
    width = max(len(name) for name, _ in items)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in items)


def duration(seconds):
    """Seconds in words: ``0.42 ms``, ``35 ms``, ``1.27 s``, ``3 min 20 s``."""
    if seconds < 0.001:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
