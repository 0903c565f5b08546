"""The language of prompts: what it renders, and that nothing unsafe or endless is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core.prompts.template import (
    CLOSE,
    MARKS,
    MAX_CHARACTERS,
    OPEN,
    TemplateError,
    check_template,
    is_template,
    render,
)

EXAMPLES = [{"before": f"b{i}", "thought": f"t{i}", "after": f"a{i}"} for i in range(3)]


@given(st.text(max_size=200).filter(lambda text: not any(mark in text for mark in MARKS)))
def test_a_text_without_marks_is_left_as_it_is(text: str) -> None:
    if OPEN in text or CLOSE in text:
        return
    check_template(text, [], examples=False)
    assert render(text, {}, []) == text


def test_a_text_without_marks_needs_no_jinja() -> None:
    script = (
        "import sys\nsys.modules['jinja2'] = None\nfrom rlp_core import prompts\n"
        "from rlp_core.errors import UnavailableError\n"
        "assert prompts.words('terse', ('<t>', '</t>')).start == 'Think first, then go on.\\n'\n"
        "try:\n    prompts.words('shown-thoughts', ('<t>', '</t>'))\n"
        "except UnavailableError as error:\n    assert 'the package `jinja2`' in str(error)\n"
        "else:\n    raise SystemExit('rendered without jinja2')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ tone | upper }}!\n", "CALM!\n"),
        ("{% if shots > 1 and tone != '' %}\nmany\n{% else %}\nfew\n{% endif %}\n", "many\n\n"),
        ("{{ open }}x{{ close }}\n", f"{OPEN}x{CLOSE}\n"),
        ("{% for e in examples %}{{ loop.index }}{{ e.thought }} {% endfor %}", "1t0 2t1 3t2 "),
        ("{% for e in examples[:shots] %}{{ e.after }}{% endfor %}", "a0a1"),
        ("{% for e in examples[1:] if e.before != 'b2' %}{{ e.after }}{% endfor %}", "a1"),
        ("{{ examples[0].before ~ '-' ~ (shots + 1) }}", "b0-3"),
        ("{{ examples | length }}", "3"),
    ],
)
def test_what_a_template_can_say(text: str, made: str) -> None:
    used = [name for name in ("tone", "shots") if name in text]
    check_template(text, used, "examples" in text)
    assert render(text, {"tone": "calm", "shots": 2}, EXAMPLES).strip() == made.strip()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ ''.__class__ }}", "'__class__'"),
        ("{{ tone.__init__.__globals__ }}", "'__globals__'|'__init__'"),
        ("{{ tone.upper() }}", "'call'"),
        ("{{ range(10) }}", "'call'"),
        ("{% for i in range(99999) %}{% endfor %}", "a loop over anything but the examples"),
        ("{% for c in tone %}{{ c }}{% endfor %}", "a loop over anything but the examples"),
        ("{{ 'a' * 999999999 }}", "'mul'"),
        ("{{ 9 ** 9 ** 9 }}", "'pow'"),
        ("{% set a = 1 %}{{ a }}", "'assign'"),
        ("{% include 'x' %}", "'include'"),
        ("{% import 'x' as y %}", "'import'"),
        ("{% extends 'x' %}", "'extends'"),
        ("{% macro f() %}{% endmacro %}", "'macro'"),
        ("{{ tone | attr('x') }}", "the filter 'attr'"),
        ("{{ tone | center(9999999) }}", "the filter 'center'"),
        (
            "{% for a in examples %}{% for b in examples %}{% for c in examples %}"
            "{% endfor %}{% endfor %}{% endfor %}",
            "more than 2 loops in each other",
        ),
    ],
)
def test_an_unsafe_expression_is_refused_before_it_is_rendered(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        check_template(text, ["tone"], examples=True)
    assert "line 1 of the text" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ tome }}", "uses `tome`, which nothing sets .did you mean `tone`"),
        ("{{ tone", "no template: .*line 1"),
        ("{% if tone %}", "no template: .*line 1"),
        ("{{ tone }}{{ self }}", "`self`"),
        ("{{ tone }}{{ cycler }}", "`cycler`"),
        ("Plain.", "does not use `tone`"),
        ("{{ tone }}{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}", "nested too deeply"),
        ("{{ tone }}{{ " + "9" * 9000 + " }}", "no template: .*digits"),
        ("{{ tone }}{{ examples | length }}", "uses `examples`, and it has none"),
    ],
)
def test_a_template_that_is_not_whole_is_refused(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        check_template(text, ["tone"], examples=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% for e in examples %}{{ e.thougt }}{% endfor %}", "no attribute 'thougt'"),
        ("{{ examples[7].before }}", "cannot be rendered"),
        ("{{ examples }}", "is a list, not a text"),
        ("{% for e in examples %}{{ e }}{% endfor %}", "is a dict, not a text"),
        ("{{ tone.upper }}", "not a text"),
        ("{{ tone + 1 }}", "cannot be rendered"),
        ("{{ tone['__class__'] }}", "cannot be rendered"),
        ("\ue000{{ tone }}", "private area"),
    ],
)
def test_what_has_no_value_is_told(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        render(text, {"tone": "calm"}, EXAMPLES)


def test_a_text_that_grows_is_stopped() -> None:
    loops = "{% for a in examples %}{% for b in examples %}{{ tone }}{% endfor %}{% endfor %}"
    assert is_template(loops)
    check_template(loops, ["tone"], examples=True)
    fits = "x" * (MAX_CHARACTERS // 9)
    assert len(render(loops, {"tone": fits}, EXAMPLES)) == 9 * len(fits)
    with pytest.raises(TemplateError, match="more than 20000 characters"):
        render(loops, {"tone": fits + "x"}, EXAMPLES)
    with pytest.raises(TemplateError, match="more than 20000 characters"):
        render("x" * (MAX_CHARACTERS + 1), {}, [])
