"""How a model thinks, as its folder says it: `thought.json`, beside config.json.

Whoever has the folder can then use the model, without the parameters that it was trained with.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import DataError, MissingInputError

FILE = "thought.json"


@dataclass(frozen=True)
class Thinking:
    """How a model thinks.

    Attributes:
        open: token that opens a thought.
        close: token that closes it.
        max_tokens: the longest thought that it was trained to think, `close` counted.
        prompt: words that stand before every text; empty: none.
        lead: words that stand before every thought; empty: none.
    """

    open: str
    close: str
    max_tokens: int
    prompt: str = ""
    lead: str = ""

    @staticmethod
    def of(thought: ThoughtConfig) -> Thinking:
        """What the settings say, with the prompt's words in place of its name."""
        return Thinking(thought.open, thought.close, thought.max_tokens, *thought.words())

    def write(self, folder: Path) -> None:
        """Add the file to a model's folder."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> Thinking:
        """What a model's folder says.

        Raises:
            MissingInputError: it does not say it.
            DataError: the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            raise MissingInputError(
                f"the model does not say how it thinks: {FILE} is missing",
                where=str(folder),
                fix="give --open, --close and --max-tokens; models that are trained anew have it",
            )
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            found = Thinking(**tree)
            kinds = {"max_tokens": int}
            for field in fields(Thinking):
                if type(getattr(found, field.name)) is not kinds.get(field.name, str):
                    raise TypeError(f"{field.name} = {getattr(found, field.name)!r}")
            if not found.open or not found.close or found.max_tokens < 1:
                raise ValueError("an empty delimiter, or a thought of no tokens")
        except (ValueError, TypeError) as error:
            raise DataError(
                f"the file is damaged: {error}",
                where=str(path),
                fix='it holds "open", "close", "max_tokens", "prompt" and "lead"; copy it again',
            ) from error
        return found
