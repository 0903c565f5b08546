"""The language of a prompt's template: Jinja's, less all that could reach out of it or never end.

Jinja's own sandbox keeps a template from Python's insides, and lets it loop and multiply for hours.
A prompt needs neither calls nor sums: variables, conditions, and loops over its examples. Whatever
else a template holds is refused before it is rendered; what is left runs in the sandbox, cannot
loop beyond its examples, and is stopped where its text grows too long. A text without a mark of
Jinja's is no template: it is read as it stands, and Jinja is not imported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlp_core.errors import did_you_mean
from rlp_core.extras import missing

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Value = bool | int | float | str

MARKS = ("{{", "{%", "{#")
"""What makes a text a template."""

MAX_CHARACTERS = 20_000
"""Characters that a prompt may come to: more than fits before any text that is trained on."""

MAX_LOOPS = 2
"""Loops that may stand in each other."""

EXAMPLES = "examples"
GIVEN = ("open", "close", EXAMPLES)
"""What every template knows beside its own variables."""

OPEN, CLOSE = "\ue000", "\ue001"
"""Stand for the delimiters until all is rendered: no others are then taken for delimiters."""

_NODES = frozenset(
    (
        *("Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "Slice"),
        *("For", "If", "CondExpr", "Compare", "Operand", "And", "Or", "Not"),
        *("Neg", "Add", "Sub", "Concat", "Filter"),
    )
)
_FILTERS = frozenset({"trim", "upper", "lower", "capitalize", "length", "first", "last"})
_ALLOWED = (
    "variables, `if`, `for` over the examples, comparisons, `+`, `-`, `~`, and the filters "
    + ", ".join(sorted(_FILTERS))
)


class TemplateError(ValueError):
    """What is wrong with a template; its text is told to whoever wrote it."""


def is_template(text: str) -> bool:
    """Whether a text has anything to be rendered."""
    return any(mark in text for mark in MARKS)


def check_template(text: str, variables: Collection[str], examples: bool) -> None:
    """Raise TemplateError unless a text is plain, or a template that is safe and whole.

    Args:
        text: the template.
        variables: names that it may use, and must.
        examples: whether there are examples, which it must then use.
    """
    used: set[str] = set()
    if is_template(text):
        used = _checked(text, {*GIVEN, *variables})
    wanted = [*variables, *([EXAMPLES] if examples else [])]
    if unused := [name for name in wanted if name not in used]:
        raise TemplateError(f"its text does not use {_named(unused)}, which it sets")
    if EXAMPLES in used and not examples:
        raise TemplateError(f"its text uses `{EXAMPLES}`, and it has none")


def render(text: str, values: Mapping[str, Value], examples: Sequence[Mapping[str, str]]) -> str:
    """The text of a checked template, with `OPEN` and `CLOSE` for the delimiters.

    Args:
        text: the template.
        values: of all its variables.
        examples: its examples, field by field.

    Raises:
        TemplateError: an expression has no value, or none that can be written; or the text is
            longer than `MAX_CHARACTERS`.
    """
    told = [text, *(v for v in values.values() if isinstance(v, str))]
    told += [part for example in examples for part in example.values()]
    if any(mark in part for mark in (OPEN, CLOSE) for part in told):
        raise TemplateError("it holds a character of Unicode's private area, U+E000 or U+E001")
    if not is_template(text):
        return _bounded([text])
    environment = _environment()
    from jinja2.exceptions import TemplateError as JinjaError

    known = {**values, "open": OPEN, "close": CLOSE, EXAMPLES: [dict(e) for e in examples]}
    try:
        return _bounded(environment.from_string(text).generate(known))
    except TemplateError:
        raise
    except (JinjaError, TypeError, ValueError, LookupError) as error:
        raise TemplateError(f"its text cannot be rendered: {error}") from error


def _bounded(parts: Iterable[str]) -> str:
    """The parts together, read no further than the limit."""
    made, length = [], 0
    for part in parts:
        made.append(part)
        length += len(part)
        if length > MAX_CHARACTERS:
            raise TemplateError(f"its text comes to more than {MAX_CHARACTERS} characters")
    return "".join(made)


def _environment() -> ImmutableSandboxedEnvironment:
    try:
        import jinja2
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ModuleNotFoundError as error:
        told = missing(error)
        raise (error if told is None else told) from error
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    environment.globals.clear()
    return environment


def _written(value: Any) -> Any:
    """A value that is put into the text. A list, or what Python makes of a method, is none."""
    from jinja2 import Undefined

    if not isinstance(value, str | int | float | Undefined):
        raise TemplateError(f"an expression of its text is a {type(value).__name__}, not a text")
    return value


def _checked(text: str, known: Collection[str]) -> set[str]:
    """Names that a template uses.

    Raises:
        TemplateError: it is no template, holds what is not allowed, or uses an unknown name.
    """
    environment = _environment()
    from jinja2 import TemplateSyntaxError, meta

    try:
        tree = environment.parse(text)
        _check_nodes(tree, 0)
    except TemplateSyntaxError as error:
        raise TemplateError(
            f"its text is no template: {error.message} (line {error.lineno} of the text)"
        ) from error
    except RecursionError as error:
        raise TemplateError("its text holds an expression that is nested too deeply") from error
    except TemplateError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise TemplateError(f"its text is no template: {error}") from error
    used = meta.find_undeclared_variables(tree)
    if lacking := sorted(used - set(known)):
        raise TemplateError(
            f"its text uses {_named(lacking)}, which nothing sets "
            f"({did_you_mean(lacking[0], known)}known: {', '.join(sorted(known))}; "
            "others stand under `variables`)"
        )
    return used


def _check_nodes(node: nodes.Node, loops: int) -> None:
    kind = type(node).__name__
    if kind not in _NODES:
        raise _unsafe(node, f"{kind.lower()!r}")
    if kind == "Filter" and node.name not in _FILTERS:  # type: ignore[attr-defined]
        raise _unsafe(node, f"the filter {node.name!r}")  # type: ignore[attr-defined]
    if kind == "Name" and node.name == "self":  # type: ignore[attr-defined]
        raise _unsafe(node, "`self`")  # Jinja has it in every template
    if kind == "Getattr" and node.attr.startswith("_"):  # type: ignore[attr-defined]
        raise _unsafe(node, f"the attribute {node.attr!r}")  # type: ignore[attr-defined]
    if kind == "For":
        loops += 1
        if not _is_over_examples(node.iter):  # type: ignore[attr-defined]
            raise _unsafe(node, "a loop over anything but the examples")
        if loops > MAX_LOOPS:
            raise _unsafe(node, f"more than {MAX_LOOPS} loops in each other")
    for child in _children(node):
        _check_nodes(child, loops)


def _children(node: nodes.Node) -> Iterator[nodes.Node]:
    return iter(node.iter_child_nodes())


def _is_over_examples(node: nodes.Node) -> bool:
    """`examples`, or a part of them: `examples[:shots]`."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node = node.node
    return isinstance(node, nodes.Name) and node.name == EXAMPLES


def _unsafe(node: nodes.Node, what: str) -> TemplateError:
    return TemplateError(
        f"its text holds what a prompt may not: {what} (line {node.lineno} of the text; allowed "
        f"are {_ALLOWED})"
    )


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
