"""The table of rules in `docs/reference/data-contracts.md`, made from the suites themselves.

`make params-reference` writes it anew; a test keeps page and suites in step.
"""

from __future__ import annotations

from pathlib import Path

from rlp_core.contracts.config import Validate
from rlp_core.contracts.expectations import expectation_name
from rlp_core.contracts.rules import Rule
from rlp_core.contracts.suites import rules_for, summary_rules
from rlp_core.data.thought import ThoughtConfig
from rlp_core.files import write_text
from rlp_core.params import load
from rlp_core.params.marked import replaced
from rlp_core.workspace import PARTS

PAGE = Path("docs/reference/data-contracts.md")
PROFILE = Path("profiles/real-text.yaml")
MARK = "rules"
HELD_OUT = {"causes": 0, "arithmetic": 4}
"""`validate.heldout_worlds` of the page, whose profile holds out none."""


def rules_table(settings: Validate, thought: ThoughtConfig, answer_tokens: int) -> str:
    """A Markdown table of every rule: severity, parts, meaning, expectation."""
    settings = settings.model_copy(update={"heldout_worlds": HELD_OUT})
    found: dict[tuple[str, str], tuple[Rule, list[str]]] = {}
    for part in PARTS:
        for rule in rules_for(part, settings, thought, answer_tokens):
            found.setdefault((rule.name, rule.severity), (rule, []))[1].append(part)
    rows = [
        _row(rule, "all" if len(p) == len(PARTS) else ", ".join(p)) for rule, p in found.values()
    ]
    rows += [_row(rule, "each as a whole") for rule in summary_rules(settings)]
    head = ["| rule | severity | parts | must hold | expectation |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _row(rule: Rule, parts: str) -> str:
    text = rule.text.replace("|", "\\|").replace("<think>", "`<think>`")
    text = text.replace("</think>", "`</think>`")
    name = expectation_name(rule.check)
    return f"| `{rule.name}` | {rule.severity} | {parts} | {text} | `{name}` |"


def main() -> None:
    """Write the table into the page below the current folder."""
    params = load(PROFILE)
    made = rules_table(params.validate_, params.thought, params.evaluate.answer_tokens)
    write_text(PAGE, replaced(PAGE.read_text(encoding="utf-8"), MARK, made))


if __name__ == "__main__":
    main()
