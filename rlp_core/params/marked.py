"""Pages that are written by hand but for a table: what stands between two marks is made."""

from __future__ import annotations


def replaced(text: str, name: str, made: str) -> str:
    """The page with what stands between `<!-- NAME: begin -->` and its end replaced.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no marks of `{name}`")
    return f"{before}{begin}{made}{end}{after}"
