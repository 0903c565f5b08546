"""Tasks of reasoning-gym that keep no world's contract."""

_PARSED = "its scorer runs an answer as Python, by SymPy's `parse_expr`"
_UNANSWERED = "it has no answer of its own, so there is no expert"

TASKS_REFUSED = {
    "boxnet": _UNANSWERED,
    "coin_flip": "its scorer does not come back from a number such as 1e99999999",
    "complex_arithmetic": "its scorer gives full credit to `nan`",
    "composite": "it mixes other tasks; name each of them as a source of its own",
    "countdown": _PARSED,
    "game_of_life_halting": "its scorer gives full credit to any word at all",
    "graph_color": _UNANSWERED,
    "intermediate_integration": _PARSED,
    "polynomial_multiplication": _PARSED,
    "propositional_logic": _UNANSWERED,
    "puzzle24": _PARSED,
    "rubiks_cube": _UNANSWERED,
    "rush_hour": _UNANSWERED,
    "simple_integration": _PARSED,
}
"""Name to reason."""
