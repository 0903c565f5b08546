"""A source of generated records: a world by name, and beside it the world's own settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from rlp_core import environments
from rlp_core.errors import ConfigError, did_you_mean
from rlp_core.section import Positive, Section


class Procedural(Section):
    """Records of a world, made here from a seed.

    The keys of the world itself stand beside these: each world has a section below.
    """

    kind: Literal["procedural"]
    world: str = Field(
        description="Which world: a file of `rlp_core/environments`, or what an installed package "
        "registers."
    )
    count: Positive = Field(description="Records to make.")

    _settings: Section = PrivateAttr(default_factory=Section)

    @property
    def settings(self) -> Section:
        """The world's own settings, of the model that the world declares."""
        return self._settings

    @model_validator(mode="wrap")
    @classmethod
    def _with_settings(
        cls, given: Any, handler: ModelWrapValidatorHandler[Procedural]
    ) -> Procedural:
        """Check the keys of every source here and all others by the world; tell all faults."""
        if not isinstance(given, dict):
            return handler(given)
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        faults: list[InitErrorDetails] = []
        made, settings = None, Section()
        try:
            made = handler(own)
        except ValidationError as error:
            faults += [_fault(problem) for problem in error.errors(include_url=False)]
        try:
            settings = _settings_of(given, own)
        except ConfigError as error:
            text = f"{error.what}; {error.fix}"
            faults.append(_custom("unknown_world", text, ("world",), own["world"]))
        except ValidationError as error:
            known = sorted([*own, *_model(own["world"]).model_fields])
            faults += [_fault(problem, known) for problem in error.errors(include_url=False)]
        if faults or made is None:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        made._settings = settings
        return made

    @model_serializer(mode="wrap")
    def _flat(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """As it stands in params.yaml, defaults included."""
        return {**handler(self), **self._settings.model_dump(mode=info.mode)}


def _settings_of(given: dict[str, Any], own: dict[str, Any]) -> Section:
    if not isinstance(own.get("world"), str):
        return Section()  # the missing world is told already
    rest = {key: value for key, value in given.items() if key not in own}
    return _model(own["world"]).model_validate(rest)


def _model(world: str) -> type[Section]:
    return environments.get(world).settings


def _fault(problem: Any, known: list[str] | None = None) -> InitErrorDetails:
    """A fault as pydantic told it; an unknown key with the nearest that a source of it knows."""
    text, place = problem["msg"].removeprefix("Value error, "), problem["loc"]
    if problem["type"] == "missing":
        return InitErrorDetails(type="missing", loc=place, input=problem["input"])
    if problem["type"] == "extra_forbidden" and known:
        hint = did_you_mean(str(place[-1]), known).removesuffix("? ")
        nearest = f"; {hint}?" if hint else ""
        text = f"unknown key{nearest} (known here: {', '.join(known)})"
    return _custom("setting", text, place, problem["input"])


def _custom(name: str, text: str, place: tuple[Any, ...], value: Any) -> InitErrorDetails:
    # Braces in a message would be read as slots of a template; a slot of our own holds it all.
    kind = PydanticCustomError(name, "{text}", {"text": text})
    return InitErrorDetails(type=kind, loc=place, input=value)
