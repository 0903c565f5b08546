"""Choices that are weighed: which of them the model finds likeliest, thinking and not.

Nothing is written: each choice is a text, and its log-probability after the context says how likely
the model finds it. `acc` takes the likeliest, `acc_norm` the likeliest per character, so that short
choices have no advantage (both as in lm-evaluation-harness; Gao et al. 2024, doi
10.5281/zenodo.12608602).

With thinking, `evaluate.samples` thoughts are drawn once per context, shared by all choices, and a
choice's probability is its mean over them: the model's own prediction with the thought summed out
(the paper's proposition 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlp_core.data.records import Problem
from rlp_core.evaluation.choosing import likeliest
from rlp_core.evaluation.evaluator import THOUGHTS, Evaluator
from rlp_core.rollout.rng import number_of
from rlp_core.workspace import WEIGHED_RULES


def is_weighed(problem: Problem) -> bool:
    """Whether its choices are weighed, and no answer is written."""
    return problem.rule in WEIGHED_RULES


def weighed_rows(evaluator: Evaluator, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Rows of `problems.jsonl` for problems with weighed choices.

    Where the choices of a problem have contexts of their own, thoughts are drawn for each of them.
    """
    many, warm = evaluator.settings.samples, evaluator.settings.temperature
    options = [one.weighed() for one in problems]
    if evaluator.settings.chat_template:  # an answer begins its message, without a space
        options = [[(before, text.lstrip(" ")) for before, text in pairs] for pairs in options]
    # A context that several choices share is read, and thought about, once.
    texts = [list(dict.fromkeys(context for context, _ in pairs)) for pairs in options]
    contexts = [evaluator.asked(text) for mine in texts for text in mine]
    numbers = [
        number_of(one.id if len(mine) == 1 else f"{one.id}/{place}")
        for one, mine in zip(problems, texts, strict=True)
        for place in range(len(mine))
    ]
    first = np.cumsum([0, *map(len, texts)])
    asked = [
        [(int(first[i]) + texts[i].index(c), evaluator.codec.encode(text)) for c, text in pairs]
        for i, pairs in enumerate(options)
    ]
    drawn = evaluator.think(contexts, numbers, many, warm, THOUGHTS)
    chosen = evaluator.think(contexts, numbers, 1, 0.0, THOUGHTS)
    direct = evaluator.weigh_options(contexts, asked)
    thinking = evaluator.weigh_options(contexts, asked, drawn, many)
    greedy = evaluator.weigh_options(contexts, asked, chosen, 1)
    rows = []
    for i, problem in enumerate(problems):
        lengths = [len(choice) for choice in problem.choices]
        right = problem.choices.index(problem.answer)
        taken = {
            name: likeliest(of[i], lengths, problem.rule)
            for name, of in (("direct", direct), ("thinking", thinking), ("greedy", greedy))
        }
        mine = [
            row for k in range(first[i], first[i + 1]) for row in range(k * many, (k + 1) * many)
        ]
        rows.append(
            {
                "thinking": [int(taken["thinking"] == right)],
                "thinking_greedy": int(taken["greedy"] == right),
                "direct": [int(taken["direct"] == right)],
                "direct_greedy": int(taken["direct"] == right),
                "logprob_direct": direct[i],
                "logprob_thinking": thinking[i],
                "characters": lengths,
                "right": right,
                "thought": evaluator.codec.decode(chosen.tokens[int(first[i])]),
                "thinking_text": problem.choices[taken["thinking"]],
                "direct_text": problem.choices[taken["direct"]],
                "thought_tokens": float(np.mean([len(drawn.tokens[row]) for row in mine])),
                "forced": float(np.mean([not drawn.stopped[row] for row in mine])),
            }
        )
    return rows
