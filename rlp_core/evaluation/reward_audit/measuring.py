"""What the reward audit asks a model beside the control thoughts: `audit.jsonl`, `swaps.jsonl`.

All of it is asked at the places and of the thoughts of the controls, so that nothing is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from rlp_core.data.records import Document
from rlp_core.evaluation.evaluator import RANDOM, Evaluator, Places, Tokens
from rlp_core.evaluation.reward_audit.config import RewardAudit
from rlp_core.evaluation.reward_audit.group_preference import PLACEBO
from rlp_core.evaluation.reward_audit.swaps import mentions, swapped
from rlp_core.evaluation.reward_audit.texts import corrupted, pairs_of
from rlp_core.rollout.rng import uniform
from rlp_core.rollout.scoring import score


class _Asked:
    """The places as tokens: contexts, targets, and the thoughts drawn there, without delimiters."""

    def __init__(self, evaluator: Evaluator, documents: Sequence[Document], places: Places) -> None:
        codec, many = evaluator.codec, evaluator.settings.samples
        texts, self.spots = places.texts, places.spots
        self.evaluator, self.places, self.many = evaluator, places, many
        self.keys = [documents[i].key for i, _ in self.spots]
        self.contexts = [texts[i].tokens[:p] for i, p in self.spots]
        ahead = evaluator.settings.horizon
        self.targets = [texts[i].tokens[p : p + ahead] for i, p in self.spots]
        bare = [[t for t in drawn if t != codec.close_id] for drawn in places.drawn.tokens]
        self.thoughts = [bare[k : k + many] for k in range(0, len(bare), many)]
        stopped = places.drawn.stopped
        self.closed = [stopped[k : k + many] for k in range(0, len(bare), many)]
        self.allowed = sorted(set(range(len(codec.tokenizer))) - codec.control)

    def text(self, tokens: Tokens) -> str:
        """What tokens stand for, control tokens left out: they could not be written again."""
        codec = self.evaluator.codec
        return codec.decode(token for token in tokens if token not in codec.control)

    def after(self, context: Tokens, thought: Tokens) -> Tokens:
        codec = self.evaluator.codec
        return [*context, *codec.opening, *thought, codec.close_id]

    def first_thought(
        self, asked: Sequence[tuple[int, int]], behind: Sequence[Tokens] | None = None
    ) -> list[float]:
        """Log p of place s's first thought and its closing in place j's context, for (j, s).

        `behind` are tokens that stand behind it, and that nothing before them should depend on.
        """
        rows, where = [], []
        for j, s in asked:
            begin = len(self.contexts[j]) + len(self.evaluator.codec.opening)
            rows.append(self.after(self.contexts[j], self.thoughts[s][0]))
            where.append(range(begin, len(rows[-1])))
        if behind is not None:
            rows = [[*row, *more] for row, more in zip(rows, behind, strict=True)]
        made = score(self.evaluator.model, rows, where, self.evaluator.micro_batch)
        return [float(np.sum(values)) for values in made]

    def random(self, spot: int) -> Tokens:
        """As many tokens of ordinary text as the first thought has: those of the control."""
        document, position = self.spots[spot]
        number = self.places.texts[document].number
        where = (self.evaluator.seed, RANDOM, number, position, 0)
        drawn = uniform(*where, np.arange(len(self.thoughts[spot][0])))
        return [self.allowed[int(x * len(self.allowed))] for x in drawn]


def audit_rows(
    evaluator: Evaluator, documents: Sequence[Document], places: Places
) -> list[dict[str, Any]]:
    """Rows of `audit.jsonl`, one per measured document, as those of `controls.jsonl`.

    Args:
        evaluator: the model and how it is measured.
        documents: as they were given to `places`.
        places: where thoughts were drawn, and which.
    """
    asked = _Asked(evaluator, documents, places)
    settings = evaluator.settings.audit
    found = [_of_text(asked, s) for s in range(len(asked.spots))]
    columns: dict[str, Sequence[Any]] = {
        "corrupted": _corrupted(asked, [one["texts"] for one in found]),
        "under": _under(asked, settings.contexts),
        "decoy": _decoy(asked),
        "future": _future(asked),
    }
    each = iter(range(len(asked.spots)))
    rows = []
    for i, positions in zip(places.kept, places.positions, strict=True):
        mine = list(islice(each, len(positions)))
        row: dict[str, Any] = {"id": documents[i].id, "key": documents[i].key}
        row["positions"] = list(positions)
        row |= {name: [found[s][name] for s in mine] for name in (found[0] if found else ())}
        rows.append(row | {name: [values[s] for s in mine] for name, values in columns.items()})
    return rows


def _of_text(asked: _Asked, spot: int) -> dict[str, Any]:
    thoughts = asked.thoughts[spot]
    pairs = [pairs_of(thought) for thought in thoughts]
    return {
        "targets": asked.text(asked.targets[spot]),
        "texts": [asked.text(thought) for thought in thoughts],
        "lengths": [len(thought) for thought in thoughts],
        "closed": [int(closed) for closed in asked.closed[spot]],
        "distinct": [distinct for distinct, _ in pairs],
        "pairs": [count for _, count in pairs],
    }


def _corrupted(asked: _Asked, texts: Sequence[Sequence[str]]) -> list[list[float | None]]:
    """Log p of the target after each thought with a true equation made false; None: it has none."""
    made = [[corrupted(text) for text in many] for many in texts]
    where = [(s, k) for s, many in enumerate(made) for k, text in enumerate(many) if text]
    encode = asked.evaluator.codec.encode
    contexts = [asked.after(asked.contexts[s], encode(made[s][k] or "")) for s, k in where]
    values = asked.evaluator.weigh(contexts, [[asked.targets[s]] for s, _ in where])
    found: list[list[float | None]] = [[None] * len(many) for many in made]
    for (s, k), value in zip(where, values, strict=True):
        found[s][k] = value[0]
    return found


def _under(asked: _Asked, others: int) -> list[list[float]]:
    """Log p of each place's first thought in its own context, then in those of other texts."""
    count, keys, pairs = len(asked.spots), asked.keys, []
    for s in range(count):
        elsewhere = [j % count for j in range(s + 1, s + count) if keys[j % count] != keys[s]]
        chosen = [elsewhere[i % len(elsewhere)] for i in range(others)]  # few texts: some twice
        pairs += [(j, s) for j in (s, *chosen)]
    flat = asked.first_thought(pairs)
    return [flat[k : k + 1 + others] for k in range(0, len(flat), 1 + others)]


def _decoy(asked: _Asked) -> list[float | None]:
    """Log p per token, after a random thought, of the target of another text.

    None where no other text's target begins differently: it would be no decoy.
    """
    count = len(asked.spots)
    decoys = []
    for s in range(count):
        others = (asked.targets[j % count] for j in range(s + 1, s + count))
        decoys.append(next((t for t in others if t[0] != asked.targets[s][0]), None))
    kept = [s for s, decoy in enumerate(decoys) if decoy]
    values = asked.evaluator.weigh(
        [asked.after(asked.contexts[s], asked.random(s)) for s in kept],
        [[decoys[s] or []] for s in kept],
    )
    found: list[float | None] = [None] * count
    for s, value in zip(kept, values, strict=True):
        found[s] = value[0] / len(decoys[s] or [0])
    return found


def _future(asked: _Asked) -> list[float]:
    """Nats by which the first thought's log p changes when the tokens behind it are exchanged."""
    spots = [(s, s) for s in range(len(asked.spots))]
    one, two = asked.allowed[:2]
    changed = [[two if token == one else one for token in target] for target in asked.targets]
    before, after = (asked.first_thought(spots, behind) for behind in (asked.targets, changed))
    return [abs(a - b) for a, b in zip(before, after, strict=True)]


def swap_rows(
    evaluator: Evaluator, documents: Sequence[Document], places: Places, settings: RewardAudit
) -> tuple[list[dict[str, Any]], int]:
    """Rows of `swaps.jsonl`: the reward where a group's words are exchanged, thoughts and all.

    A row holds the log-probabilities of one target, first with the pairs' first words, then with
    their second ones: `direct` [2], `thinking` [2][k].

    Returns:
        The rows, and how many contexts were left out: they have words of either side, or their text
        is not read as the tokens that it was cut from.
    """
    asked = _Asked(evaluator, documents, places)
    codec, looks = evaluator.codec, {**settings.groups, PLACEBO: settings.placebo}
    rows: list[dict[str, Any]] = []
    sides: list[list[Tokens]] = []
    targets: list[Tokens] = []
    left_out = 0
    for s, (document, position) in enumerate(asked.spots):
        text = evaluator.plain(asked.contexts[s])
        for group, pairs in looks.items():
            first, second = mentions(text, pairs)
            if not (first or second):
                continue
            if (first and second) or codec.context(text) != asked.contexts[s]:
                left_out += 1
                continue
            name = f"{documents[document].id}/{position}/{group}"
            rows.append({"id": name, "key": asked.keys[s], "group": group})
            read = [text, *(asked.text(thought) for thought in asked.thoughts[s])]
            other = [swapped(one, pairs) for one in read]
            sides += [_texts(asked, one) for one in ((read, other) if first else (other, read))]
            targets += [asked.targets[s]] * 2
    flat = [one for side in sides for one in side]
    wanted = [[target] for side, target in zip(sides, targets, strict=True) for _ in side]
    values = iter([found[0] for found in evaluator.weigh(flat, wanted)])
    for row in rows:
        told = [list(islice(values, 1 + asked.many)) for _ in range(2)]
        row |= {"direct": [side[0] for side in told], "thinking": [side[1:] for side in told]}
    return rows, left_out


def _texts(asked: _Asked, read: Sequence[str]) -> list[Tokens]:
    """A context as tokens, and the same with each of the thoughts that follow it in `read`."""
    codec = asked.evaluator.codec
    context = codec.context(read[0])
    return [context, *(asked.after(context, codec.encode(thought)) for thought in read[1:])]
