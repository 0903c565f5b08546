"""Problems to be perturbed: stories, premises, choices, and whatever characters there are."""

from __future__ import annotations

from hypothesis import strategies as st

from rlp_core.data.records import Problem
from rlp_core.evaluation.robustness import _lists

NAMES = ("Tom", "Emily", "Ryan", "Zorro", "Anna")
NOUNS = ("apples", "marbles", "friends", "photos", "tickets", "pounds of rice")
WORDS = ("yellow", "market", "because", "kids", "quickly", "garden", "movies", "although", "not")


def story(
    prompt: str, answer: str = "7", choices: tuple[str, ...] = (), name: str = "p"
) -> Problem:
    return Problem(
        id=name,
        key=name,
        source="s",
        licence="l",
        benchmark="b",
        rule="choice" if choices else "exact",
        prompt=prompt,
        answer=answer,
        choices=list(choices),
    )


TOM = story("Q: Tom has 3 apples. Emily has four apples. How many apples are there?\nA:")
ARITHMETIC = story("Q: 3+4-5\nA:", "2")
CITIES = story(
    "Q: Which city do friends of Ryan reach by train?\n(A) New York\n(B) Port Said\nA:",
    "Port Said",
    ("New York", "Port Said"),
)


@st.composite
def sentences(draw: st.DrawFn) -> str:
    name, noun = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NOUNS))
    number = draw(st.sampled_from(["3", "12", "1,250", "4.5", "seven", "twice as many", "$20"]))
    words = " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
    verb = draw(st.sampled_from(["has", "buys", "wants", "is", "gives Ryan"]))
    start = draw(st.sampled_from(["", "Then ", "If ", "He says that ", "In the end, "]))
    return f"{start}{name} {verb} {number} {noun} {words}".strip() + "."


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Stories of some sentences with a question, with choices or without."""
    body = " ".join(draw(st.lists(sentences(), max_size=5)))
    asks = draw(st.sampled_from(["How many are there?", "Who has more apples than Tom?", "3+4"]))
    between = draw(st.sampled_from([" ", "\n", "  "])) if body else ""
    head = draw(st.sampled_from(["Q: ", "Question: ", ""]))
    tail = draw(st.sampled_from(["\nA:", "\nAnswer:", " Answer: ", ""]))
    choices = tuple(draw(st.sampled_from([(), ("red marbles", "Tom"), ("12", "13", "14")])))
    listed = "".join(f"\n({letter}) {c}" for letter, c in zip("ABC", choices, strict=False))
    answer = draw(st.sampled_from(choices)) if choices else draw(st.sampled_from(["7", "Anna"]))
    name = draw(st.sampled_from(["a", "b", "c"]))
    return story(head + body + between + asks + listed + tail, answer, choices, name)


def anything() -> st.SearchStrategy[Problem]:
    """Prompts of any characters, and of those that mean something here."""
    characters = st.characters(exclude_categories=["Cs"])
    signs = st.text("AQ: .?!\n$\\'\"()0129abtheTom", max_size=60)
    return st.builds(story, st.text(characters, max_size=60) | signs)


SYNONYMS = _lists.synonyms()
