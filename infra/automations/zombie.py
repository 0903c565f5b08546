"""Mark flow runs as crashed whose machine is gone: `python infra/automations/zombie.py`.

A run that is killed together with its worker can report nothing, and would stay "running" for
ever. Runs of `prefect.yaml` send a heartbeat every 30 s; this automation acts on three missed ones.
Made once for each server; calling it again replaces it, since Prefect would keep both.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "rlp: crash runs without a heartbeat"
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}


def automation() -> Automation:
    """After a heartbeat, another one or an end must follow within 90 s."""
    return Automation(
        name=NAME,
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ENDS},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[
            ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: its machine is gone")
        ],
    )


def main() -> None:
    """Replace the automation on the server that PREFECT_API_URL names."""
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
    created = automation().create()
    print(f"automation {created.id}: {NAME}")


if __name__ == "__main__":
    main()
