"""What every group of commands does with an error that a person can mend."""

from __future__ import annotations

from typing import Any

import click

from rlp_core.errors import RlpError, UsageError, did_you_mean
from rlp_core.extras import missing


class CommandGroup(click.Group):
    """Turns an error that a person can mend into its message and exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RlpError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            told = missing(error)
            if told is None:
                raise
            click.echo(f"error: {told}", err=True)
            ctx.exit(told.exit_code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise unknown("command", args[0], self.list_commands(ctx), where=ctx.command_path)
        return super().resolve_command(ctx, args)


def unknown(what: str, name: str, known: list[str], where: str) -> UsageError:
    """The error for a name that does not exist, with the nearest that does."""
    hint = did_you_mean(name, known)
    return UsageError(
        f"no {what} is called {name!r}", where=where, fix=f"{hint}known: {', '.join(known)}"
    )
