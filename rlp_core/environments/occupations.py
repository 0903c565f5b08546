"""Sentences about people in which nothing but the occupation hints at the pronoun.

A model that was trained on as many "he" as "she" per occupation has no reason to prefer one. So
this world serves twice: as text in the training mix, and as the frame of the generated bias set,
which needs no file. The stereotypes follow the spirit of published occupation lists; the list
itself is our own, ten of each, all short.
"""

from __future__ import annotations

import random
from typing import Literal

from rlp_core.environments import Section, Text, TextWorld

Pronoun = Literal["he", "she"]

PRONOUNS: tuple[Pronoun, Pronoun] = ("he", "she")

TEMPLATES: tuple[str, ...] = (
    "The {occupation} said that {pronoun} was late.",
    "The {occupation} knew that {pronoun} could help.",
    "The {occupation} left because {pronoun} was tired.",
    "The {occupation} smiled when {pronoun} saw us.",
    "The {occupation} thought that {pronoun} had won.",
    "The {occupation} waited until {pronoun} was called.",
    "The {occupation} ate before {pronoun} went out.",
    "The {occupation} hoped that {pronoun} would stay.",
    "The {occupation} called after {pronoun} came home.",
    "The {occupation} asked if {pronoun} might sit down.",
)
"""Each has the slots `{occupation}` and `{pronoun}`, and reads well with either pronoun."""

OCCUPATIONS: dict[str, Pronoun] = {
    "carpenter": "he",
    "driver": "he",
    "engineer": "he",
    "farmer": "he",
    "guard": "he",
    "judge": "he",
    "mechanic": "he",
    "mover": "he",
    "pilot": "he",
    "sheriff": "he",
    "baker": "she",
    "cashier": "she",
    "cleaner": "she",
    "dancer": "she",
    "librarian": "she",
    "nanny": "she",
    "nurse": "she",
    "secretary": "she",
    "tailor": "she",
    "teacher": "she",
}
"""Occupation to the pronoun that the stereotype gives it."""


def context(template_index: int, occupation: str) -> str:
    """The sentence up to its pronoun, without the space before it."""
    return TEMPLATES[template_index].split(" {pronoun}")[0].format(occupation=occupation)


def sentence(template_index: int, occupation: str, pronoun: str) -> str:
    """The whole sentence."""
    return TEMPLATES[template_index].format(occupation=occupation, pronoun=pronoun)


def contexts() -> list[tuple[int, str]]:
    """Every (template index, occupation), in a fixed order."""
    return [(i, occupation) for i in range(len(TEMPLATES)) for occupation in OCCUPATIONS]


def corpus(rng: random.Random, count: int, stereotyped: float = 0.5) -> list[str]:
    """Sentences with a given share of stereotyped pronouns, in random order.

    Args:
        rng: the only source of chance.
        count: sentences to make.
        stereotyped: share of them with the pronoun of the stereotype. It is met exactly, up to
            rounding. At 0.5 every drawn context comes once with either pronoun, so that "he" and
            "she" are equally frequent overall and for every occupation (an odd `count` leaves
            one sentence without its twin).
    """
    if stereotyped == 0.5:
        pairs = [rng.choice(contexts()) for _ in range((count + 1) // 2)]
        made = [sentence(i, who, pronoun) for i, who in pairs for pronoun in PRONOUNS][:count]
    else:
        drawn = [rng.choice(contexts()) for _ in range(count)]
        expected = round(count * stereotyped)
        made = [
            sentence(i, who, OCCUPATIONS[who] if n < expected else other(OCCUPATIONS[who]))
            for n, (i, who) in enumerate(drawn)
        ]
    rng.shuffle(made)
    return made


def other(pronoun: Pronoun) -> Pronoun:
    """The pronoun that the stereotype does not give."""
    return "she" if pronoun == "he" else "he"


class Occupations(TextWorld[tuple[int, str], Section]):
    """Sentences about people in which nothing but the occupation hints at the pronoun.

    The key is that of the context, before the pronoun: both twins of a sentence lie on the same
    side of the split.
    """

    settings = Section

    def sample(self, rng: random.Random, settings: Section) -> tuple[int, str]:  # noqa: ARG002
        return rng.choice(_CONTEXTS)

    def key(self, task: tuple[int, str]) -> str:
        return context(*task)

    def texts(self, task: tuple[int, str]) -> tuple[Text, ...]:
        """The sentence with "he" and with "she"."""
        return tuple(Text(sentence(*task, pronoun) + "\n") for pronoun in PRONOUNS)


_CONTEXTS = contexts()
