"""The environments: a task per episode, answered at once or letter by letter."""

from __future__ import annotations

import random
from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlp_core import environments
from rlp_core.data.procedural import PATIENCE
from rlp_core.data.records import content_key, heldout
from rlp_core.environments import Environment
from rlp_core.errors import ConfigError, UsageError
from rlp_core.gym.arguments import AskingSettings, SpellingSettings, settings_of

Observation = TypeVar("Observation")


class _Asking(gymnasium.Env[Observation, Any], Generic[Observation]):
    """A task per episode, drawn from the environment's own generator, and paid by the verifier."""

    metadata = {  # noqa: RUF012
        "render_modes": ["ansi"],
        "render_fps": 1,  # of no use to a text, but Gymnasium's checker asks for one
    }
    arguments: ClassVar[type[AskingSettings]]

    def __init__(self, world: str, *, render_mode: str | None = None, **given: Any) -> None:
        """Make an environment; `gymnasium.make` does.

        Args:
            world: its name.
            render_mode: `ansi`, or None.
            given: fields of `arguments`, and the world's own settings.

        Raises:
            ConfigError: no world is called so, it asks nothing, or an argument is unknown or
                impossible.
            PluginError: the world does not keep its protocol.
        """
        if render_mode not in (None, "ansi"):
            raise ConfigError(
                f"no rendering but `ansi`, and {render_mode!r} is asked for",
                where=f"render_mode of world `{world}`",
                fix='render_mode="ansi", or leave it out',
            )
        self.render_mode = render_mode
        self._world = _solvable(world)
        self._settings: Any = settings_of(self._world, self.arguments, given)
        self._task: Any = None
        self._answer = ""
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask the task of a seed, or without one the next that chance brings.

        Returns:
            The observation; and nothing, or with `expert` its `steps`, a tuple, and `answer`.

        Raises:
            ConfigError: there are options, or the settings leave no task on this side of the split,
                or one with a question or an expert's answer that does not fit.
        """
        super().reset(seed=seed)
        if options:
            raise self._fault("reset takes no options", "give them to `gymnasium.make`")
        settings, self._over = self._settings, True
        self._task, self._answer = self._drawn(), ""
        solution = self._world.expert(self._task)
        self._fits("question", self._asked(), settings.longest_question, settings.letters)
        self._fits("answer", solution.answer, settings.longest_answer, self._writes())
        self._over = False
        info = {"steps": solution.steps, "answer": solution.answer} if settings.expert else {}
        return self._seen(), info

    def render(self) -> Any:
        """The prompt, and what is written of the answer.

        Raises:
            UsageError: no task was asked yet, or no rendering was asked for.
        """
        if self.render_mode is None or self._task is None:
            raise UsageError(
                "there is nothing to render",
                where=self._place(),
                fix='make it with render_mode="ansi", and call `reset` first',
            )
        return f"{self._world.prompt(self._task)}{self._answer}"

    @abstractmethod
    def _asked(self) -> str:
        """What the observation shows of the task."""

    @abstractmethod
    def _writes(self) -> str:
        """The letters that an answer may hold."""

    @abstractmethod
    def _seen(self) -> Observation:
        """The observation."""

    def _paid(self) -> float:
        self._over = True
        return float(self._world.verify(self._task, self._answer))

    def _taken(self, action: Any) -> None:
        """Raise UsageError unless an action can be taken now."""
        if self._over:
            raise UsageError(
                "there is no task to answer: none was asked, or the episode is over",
                where=self._place(),
                fix="call `reset`",
            )
        if not self.action_space.contains(action):
            raise UsageError(
                f"an action outside the space: {_short(action)}",
                where=self._place(),
                fix=f"an action is of {_short(self.action_space)}",
            )

    def _drawn(self) -> Any:
        """A task on the side of the split; one number of the generator decides it."""
        settings, world = self._settings, self._world
        rng = random.Random(int(self.np_random.integers(2**63)))
        for _ in range(PATIENCE):
            task = world.sample(rng, settings)
            if settings.split == "all":
                return task
            held = heldout(content_key(world.key(task)), settings.share)
            if held is (settings.split == "heldout"):
                return task
        raise self._fault(
            f"{PATIENCE} draws brought no task on the side {settings.split!r} of the split",
            "make the world larger by its settings, or change `share`",
        )

    def _fits(self, what: str, text: str, longest: int, letters: str) -> None:
        if len(text) > longest:
            raise self._fault(
                f"a task has {len(text)} letters of {what}, and {longest} fit: {_short(text)}",
                f"raise `longest_{what}`, or make the tasks smaller by the world's settings",
            )
        if strange := set(text) - set(letters):
            dials = "`letters`"
            if what == "answer" and "alphabet" in self.arguments.model_fields:
                dials += ", and in `alphabet` where that is given"
            raise self._fault(
                f"the {what} of a task holds {''.join(sorted(strange))!r}, which is not among the "
                f"letters: {_short(text)}",
                f"name it in {dials}",
            )

    def _fault(self, what: str, fix: str) -> ConfigError:
        return ConfigError(what, where=self._place(), fix=fix)

    def _place(self) -> str:
        return f"{type(self).__name__} of world `{self._world.name}`"


class WholeAnswer(_Asking[str]):
    """The prompt is read, and one action is the whole answer: `rlp/NAME-v0`.

    Observation and action are texts. An episode is one step long.
    """

    arguments = AskingSettings

    def __init__(self, world: str, *, render_mode: str | None = None, **given: Any) -> None:
        super().__init__(world, render_mode=render_mode, **given)
        letters = self._settings.letters
        self.observation_space = spaces.Text(
            self._settings.longest_question, min_length=0, charset=letters
        )
        self.action_space = spaces.Text(
            self._settings.longest_answer, min_length=0, charset=letters
        )

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Answer.

        Raises:
            UsageError: no task is open, or the answer is outside the space.
        """
        self._taken(action)
        self._answer = action
        return self._seen(), self._paid(), True, False, {}

    def _asked(self) -> str:
        return self._world.prompt(self._task)

    def _writes(self) -> str:
        return str(self._settings.letters)

    def _seen(self) -> str:
        """The prompt, before and after the answer."""
        return self._asked()


class LetterByLetter(_Asking[NDArray[np.float32]]):
    """An action writes a letter of the answer, or ends it: `rlp/NAME-letters-v0`.

    Actions are the letters of `alphabet` in order, then the end. The observation has a place for
    each letter of the longest question and, behind them, of the longest answer; in each place
    stands a 1 for the letter there, in the order of `letters`, or nothing. It is flat and real, for
    that is what encoders of RLlib's present interface take without a connector: it has none for
    `MultiDiscrete`. A letter for which no place is left truncates the episode, unpaid.
    """

    arguments = SpellingSettings

    def __init__(self, world: str, *, render_mode: str | None = None, **given: Any) -> None:
        super().__init__(world, render_mode=render_mode, **given)
        settings = self._settings
        self._code = {letter: number for number, letter in enumerate(settings.letters)}
        self._places = settings.longest_question + settings.longest_answer
        size = self._places * len(self._code)
        self.observation_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self.action_space = spaces.Discrete(len(settings.written) + 1)

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Write a letter, or end the answer.

        Raises:
            UsageError: no task is open, or the action is outside the space.
        """
        self._taken(action)
        settings = self._settings
        ends = int(action) == len(settings.written)
        full = len(self._answer) == settings.longest_answer
        reward = self._paid() if ends else 0.0
        if not ends and not full:
            self._answer += settings.written[int(action)]
        self._over = ends or full
        return self._seen(), reward, ends, full and not ends, {}

    def _asked(self) -> str:
        return self._world.question(self._task)

    def _writes(self) -> str:
        return str(self._settings.written)

    def _seen(self) -> NDArray[np.float32]:
        page = np.zeros((self._places, len(self._code)), np.float32)
        for start, text in ((0, self._asked()), (self._settings.longest_question, self._answer)):
            for place, letter in enumerate(text, start):
                page[place, self._code[letter]] = 1.0
        return page.ravel()


def _solvable(name: str) -> Environment[Any, Any]:
    world = environments.get(name)
    if isinstance(world, Environment):
        return world
    raise ConfigError(
        f"the world `{name}` asks nothing, it makes documents only",
        where=f"gymnasium.make, world `{name}`",
        fix="`rlp worlds show NAME` shows what a world asks; docs/reference/worlds.md lists all",
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
