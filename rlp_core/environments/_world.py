"""What a world is: the protocol that sources, contracts and verifiers read.

A world draws *tasks*, immutable values of its own type, and knows how to write them. A `TextWorld`
only writes texts. An `Environment` asks a question in each task; its expert answers it step by
step, its verifier tells right answers from wrong ones, and its step checker looks at single steps.
"""

from __future__ import annotations

import functools
import inspect
import random
import re
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import Field, model_validator

from rlp_core.errors import PluginError, RlpError
from rlp_core.extras import Extra
from rlp_core.section import Section, Share

Task = TypeVar("Task")
Settings = TypeVar("Settings", bound=Section)

SEPARATOR = ";"
"""Between the steps of a thought."""

WORKINGS = "W: "
"""Before the steps, in texts and in thoughts alike."""


@dataclass(frozen=True)
class Text:
    """A text to predict.

    Attributes:
        text: the text itself.
        spans: its marked answers, as (start, end) in characters.
    """

    text: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Solution:
    """What an expert says of a task.

    Attributes:
        steps: from the question to the answer, in order.
        answer: a right answer, as it must appear.
    """

    steps: tuple[str, ...]
    answer: str


class ExpertSettings(Section):
    """What every world with an expert can be told.

    Of a world's own settings, `min_NAME` must not exceed `max_NAME` where it has both.
    """

    worked: Share = Field(
        default=0.0, description="Share of records that show the steps to the answer."
    )

    @model_validator(mode="after")
    def _least_below_most(self) -> ExpertSettings:
        known = type(self).model_fields
        for name in (key.removeprefix("min_") for key in known if key.startswith("min_")):
            least, most = f"min_{name}", f"max_{name}"
            if most in known and getattr(self, least) > getattr(self, most):
                raise ValueError(
                    f"`{least}` must not exceed `{most}`: lower it, or raise the other"
                )
        return self


class World(ABC, Generic[Task, Settings]):
    """What every world has. Derive from `TextWorld` or `Environment`, not from this.

    What a world returns is checked wherever it is called.

    Attributes:
        name: of the world; that of its file.
        settings: the model of its own settings, each with a range, a default and a description.
        needs: the extra without which no task can be drawn; None where the library is enough. Its
            package is imported when the first task is, so that settings can be read without it.
    """

    settings: ClassVar[type[Section]]
    needs: ClassVar[Extra | None] = None

    def __init__(self, name: str) -> None:
        self.name = name
        for member, (words, right) in _RETURNS.items():
            if hasattr(self, member):
                setattr(self, member, _checked(self, member, words, right))

    @abstractmethod
    def sample(self, rng: random.Random, settings: Settings) -> Task:
        """Draw a task; `rng` is the only source of chance."""

    @abstractmethod
    def key(self, task: Task) -> str:
        """What makes two tasks the same. Its hash decides the side of the split."""


class TextWorld(World[Task, Settings]):
    """A world with nothing to solve: it makes documents only."""

    @abstractmethod
    def texts(self, task: Task) -> tuple[Text, ...]:
        """All ways to write a task, one at least, in a fixed order.

        A training part takes all of them, in random order; an evaluation part, where no key comes
        twice, takes one of them in turn.
        """


class Environment(World[Task, Settings]):
    """A world with questions, an expert, a verifier and a step checker.

    The methods below the abstract ones write a task as `Q: question`, the steps, `A:answer`. A
    world whose texts look otherwise replaces them; `parse` must read what `prompt` and `document`
    write. `settings` derives from `ExpertSettings`.
    """

    @abstractmethod
    def question(self, task: Task) -> str:
        """What is asked."""

    @abstractmethod
    def read(self, question: str) -> Task | None:
        """The task that `question` wrote; None where it is no question of this world."""

    @abstractmethod
    def expert(self, task: Task) -> Solution:
        """Right steps and a right answer."""

    @abstractmethod
    def verify(self, task: Task, answer: str) -> bool:
        """Whether an answer is right; every right answer is, not the expert's alone.

        The answer is any text, of any length: what cannot be read is wrong, and no error.
        """

    @abstractmethod
    def check_step(self, task: Task, step: str) -> bool | None:
        """Whether one step of a thought holds; None where that cannot be told."""

    def key(self, task: Task) -> str:
        """The question, where a world does not say otherwise."""
        return self.question(task)

    def prompt(self, task: Task) -> str:
        """What is read before thinking and answering."""
        return f"Q: {self.question(task)}\nA:"

    def thought(self, solution: Solution) -> str:
        """The thought of an expert who shows the work, as texts show it: `W: 3+4=7;7-5=2`."""
        return WORKINGS + SEPARATOR.join(solution.steps)

    def continuation(self, solution: Solution) -> str:
        """What really follows the prompt: the answer first, so that it is what to predict."""
        return f"{solution.answer}\n"

    def document(self, task: Task, solution: Solution, *, worked: bool) -> Text:
        """A text with the task solved; its span covers the answer.

        Args:
            task: the task.
            solution: the expert's.
            worked: whether the steps stand between question and answer, on a line of their own.
                They are plain text: no thought delimiters occur in it.
        """
        text = f"Q: {self.question(task)}\n"
        if worked:
            text += f"{self.thought(solution)}\n"
        start = len(text) + len("A:")
        return Text(
            f"{text}A:{self.continuation(solution)}", ((start, start + len(solution.answer)),)
        )

    def parse(self, text: str) -> Task | None:
        """The task that a prompt or document asks about, or None if it asks about none."""
        found = re.search(r"^Q: (.*?)\n(?:A:|W: )", text, re.DOTALL | re.MULTILINE)
        return None if found is None else self.read(found.group(1))

    def steps(self, thought: str) -> tuple[str, ...]:
        """What may be steps, in a thought or in a whole document; `check_step` judges each."""
        pieces = re.split(rf"[\n{re.escape(SEPARATOR)}]", thought)
        return tuple(piece.removeprefix(WORKINGS).strip() for piece in pieces)


def _is_text(value: object) -> bool:
    return (
        isinstance(value, Text)
        and isinstance(value.text, str)
        and _tuple_of(value.spans, lambda span: _tuple_of(span, _of(int)) and len(span) == 2)  # type: ignore[arg-type]
    )


def _is_solution(value: object) -> bool:
    return (
        isinstance(value, Solution)
        and isinstance(value.steps, tuple)
        and all(isinstance(text, str) for text in (*value.steps, value.answer))
    )


def _tuple_of(value: object, right: Callable[[object], bool]) -> bool:
    return isinstance(value, tuple) and all(right(one) for one in value)


def _of(*types: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, types)


_RETURNS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "sample": ("a task, not None", lambda value: value is not None),
    "key": ("a text", _of(str)),
    "texts": (
        "a tuple of at least one Text",
        lambda value: bool(value) and _tuple_of(value, _is_text),
    ),
    "question": ("a text", _of(str)),
    "expert": ("a Solution of texts", _is_solution),
    "verify": ("True or False", _of(bool)),
    "check_step": ("True, False or None", _of(bool, type(None))),
    "prompt": ("a text", _of(str)),
    "thought": ("a text", _of(str)),
    "continuation": ("a text", _of(str)),
    "document": ("a Text", _is_text),
    "steps": ("a tuple of texts", lambda value: _tuple_of(value, _of(str))),
}
"""Member to what it must return: in words, and as a check. `read` and `parse` return any task."""


def _checked(
    world: World[Any, Any], member: str, words: str, right: Callable[[object], bool]
) -> Callable[..., Any]:
    """A member that says so when it fails, or returns something else than the protocol asks."""
    own = getattr(world, member)

    @functools.wraps(own)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            value = own(*args, **kwargs)
        except RlpError:
            raise
        except Exception as error:
            raise PluginError(
                f"the world `{world.name}` failed in `{member}`: {type(error).__name__}: {error}",
                where=_place(error),
                fix="mend the file; docs/guides/add-a-world.md says what each member does",
            ) from error
        if not right(value):
            raise PluginError(
                f"the world `{world.name}` returned {_short(value)} from `{member}`, not {words}",
                where=str(inspect.getsourcefile(type(world))),
                fix="mend the file; docs/guides/add-a-world.md says what each member returns",
            )
        return value

    return checked


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def _short(value: object) -> str:
    text = f"{type(value).__name__} {value!r}"
    return text if len(text) <= 80 else f"{text[:77]}..."
