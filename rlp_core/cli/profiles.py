"""`rlp profile`: the parameter sets in profiles/."""

from __future__ import annotations

from pathlib import Path

import click

from rlp_core.cli.group import CommandGroup


@click.group(cls=CommandGroup)
def profile() -> None:
    """Choose among the parameter sets in profiles/."""


@profile.command("list")
@click.pass_obj
def list_profiles(root: Path) -> None:
    """List the profiles; a star marks the one in use."""
    from rlp_core import profiles

    current = profiles.current(root)
    for name in profiles.names(root):
        mark = "*" if name == current else " "
        click.echo(f"{mark} {name:12} {profiles.summary(root, name)}")
    if current is None:
        click.echo("params.yaml equals none of them")


@profile.command("use")
@click.argument("name")
@click.pass_obj
def use_profile(root: Path, name: str) -> None:
    """Write params.yaml from a profile."""
    from rlp_core import profiles

    kept = profiles.use(root, name)
    if kept is not None:
        click.echo(f"your own params.yaml is kept as {kept.relative_to(root)}")
    click.echo(f"params.yaml is profile {name} now; `dvc status` shows what will run again")


@profile.command("show")
@click.argument("name", required=False)
@click.pass_obj
def show_profile(root: Path, name: str | None) -> None:
    """Print a profile, or params.yaml where no name is given."""
    from rlp_core import profiles

    click.echo(profiles.text(root, name), nl=False)
