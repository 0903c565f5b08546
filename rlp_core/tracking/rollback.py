"""Back to the champion before: what a person does when a gate was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlp_core.errors import MissingInputError
from rlp_core.tracking.asked import AskedRegistry
from rlp_core.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, ROLLED_BACK

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True)
class Rollback:
    """What was done.

    Attributes:
        champion: the version that is champion again.
        former: the version that was champion until now; it is challenger.
    """

    champion: str
    former: str


def roll_back(registry: AskedRegistry, name: str) -> Rollback:
    """Make the previous champion champion again.

    The one that goes is challenger from now on, and is marked, so that the next run of stage
    `promote` does not bring it back. No previous champion is left: which one came before is not
    known, and a second call must not go forward again.

    Raises:
        MissingInputError: the model has no champion, or none before it.
        UnavailableError: the store does not answer.
    """
    aliases = registry.aliases(name)
    for alias in (CHAMPION, PREVIOUS):
        if alias not in aliases:
            told = ", ".join(f"{a} is version {n}" for a, n in sorted(aliases.items())) or "none"
            raise MissingInputError(
                f"there is nothing to go back to: the model {name!r} has no {alias}",
                where=registry.address,
                fix=f"its aliases: {told}; any version can be made {CHAMPION} by hand in MLflow's "
                "model registry",
            )
    former, back = aliases[CHAMPION], aliases[PREVIOUS]

    def work(client: MlflowClient) -> Rollback:
        client.set_model_version_tag(name, former, ROLLED_BACK, "true")
        client.set_registered_model_alias(name, CHAMPION, back)
        client.set_registered_model_alias(name, CHALLENGER, former)
        client.delete_registered_model_alias(name, PREVIOUS)
        return Rollback(back, former)

    return registry.ask(f"the alias {CHAMPION} of {name}", work)
