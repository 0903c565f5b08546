"""What all sections of settings share: closed, frozen, strictly typed; and names for common ranges.

It stands below everything that has settings, so that each can be declared beside the code it sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlp_core.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
PositiveReal = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Frozen, and closed: an unknown key, a value of another type or an infinity is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


if TYPE_CHECKING:

    class Arguments(Section):
        """As below; type checkers read the fields alone."""

else:

    class _TellsArguments(type(BaseModel)):
        """Tells a wrong argument of a constructor as a wrong key of a file is told."""

        def __call__(cls, **values: Any) -> Any:
            try:
                return super().__call__(**values)
            except ValidationError as error:
                raise _wrong_arguments(cls, values, error) from error

    class Arguments(Section, metaclass=_TellsArguments):
        """A section that a program makes with keyword arguments.

        Raises:
            ConfigError: an argument is unknown or impossible; the message names the nearest.
        """


def _wrong_arguments(
    kind: type[BaseModel], values: dict[str, Any], error: ValidationError
) -> ConfigError:
    from rlp_core.yaml_file import faults_of

    faults = (what for _, what in faults_of(error, values, kind, {}))
    told = "".join(f"\n  - {what.removeprefix('`several sections`: ')}" for what in faults)
    return ConfigError(
        f"impossible arguments of {kind.__name__}:{told}",
        where=f"{kind.__name__}(...)",
        fix="correct the arguments named above; docs/reference/params.md says what each allows",
    )
