"""`rlp`: what a person types.

Only click is imported here; a command imports what it needs when it runs, so that `rlp --help`
answers at once.
"""

from __future__ import annotations

from pathlib import Path

import click

from rlp_core import quiet
from rlp_core.cli.advice import advise
from rlp_core.cli.group import CommandGroup
from rlp_core.cli.models import lineage, model, reproduce, rollback, think
from rlp_core.cli.parts import benchmarks, schema, worlds
from rlp_core.cli.profiles import profile
from rlp_core.cli.prompts import prompts
from rlp_core.cli.running import bench, doctor, params, plan, replay, stage
from rlp_core.cli.studies import compare, study
from rlp_core.cli.sweeps import sweep

COMMANDS = (
    profile,
    study,
    sweep,
    compare,
    prompts,
    worlds,
    benchmarks,
    schema,
    stage,
    params,
    plan,
    advise,
    doctor,
    model,
    think,
    rollback,
    lineage,
    reproduce,
    bench,
    replay,
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rlp")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The checkout to work in; by default the current folder.",
)
@click.pass_context
def main(context: click.Context, root: Path) -> None:
    """Reinforcement as a pretraining objective: a pipeline that anyone can run.

    Run all of it with `make run`, or with `dvc repro`.
    """
    quiet.apply()
    context.obj = root.absolute()


for command in COMMANDS:
    main.add_command(command)
