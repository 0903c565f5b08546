"""`rlp`: what a person types.

Only click is imported here; a command imports what it needs when it runs, so that `rlp --help`
answers at once.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from rlp_core import quiet
from rlp_core.errors import RlpError, UsageError, did_you_mean
from rlp_core.extras import missing


class _Group(click.Group):
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


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
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


@main.group(cls=_Group)
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


@main.group(cls=_Group)
def study() -> None:
    """Run one experiment over seeds and variants, and write its page of results."""


@study.command("list")
@click.pass_obj
def list_studies(root: Path) -> None:
    """List the studies in studies/."""
    from rlp_core.study import reading

    for name in reading.names(root):
        click.echo(f"{name:16} {reading.read(reading.find(root, name)).title}")


def _parted(_context: click.Context, _option: click.Parameter, given: str | None) -> list[str]:
    return [part.strip() for part in (given or "").split(",") if part.strip()]


@study.command("run")
@click.argument("name")
@click.option("--seeds", callback=_parted, help="Only these, such as 1,2.")
@click.option("--variants", callback=_parted, help="Only these, such as a,b.")
@click.option("--folder", type=click.Path(path_type=Path), help="By default studies/NAME.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Seeds at once.")
@click.option("--until", multiple=True, help="A stage to run to; may be given several times.")
@click.option("--runner", type=click.Choice(["dvc", "stages"]), default="dvc", show_default=True)
@click.pass_obj
def run_study(
    root: Path, /, name: str, seeds: list[str], variants: list[str], **given: Any
) -> None:
    """Run study NAME, or a study file, or go on with it.

    What is finished is not run again. `--runner stages` does without DVC and MLflow.
    """
    from rlp_core.study.command import RunOptions, run

    wrong = next((seed for seed in seeds if not seed.isdecimal()), None)
    if wrong is not None:
        raise UsageError(f"{wrong!r} is no seed", where="--seeds", fix="whole numbers: --seeds 1,2")
    given["until"] = tuple(given["until"])
    options = RunOptions(tuple(map(int, seeds)), tuple(variants), **given)
    sys.exit(run(root, name, options, ["rlp", *sys.argv[1:]], click.echo))


@study.command("report")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="By default studies/NAME.")
@click.option("--into", type=click.Path(path_type=Path), help="Write here; archives of runs too.")
@click.pass_obj
def report_study(root: Path, name: str, folder: Path | None, into: Path | None) -> None:
    """Write results.md, results.json and figures/ of study NAME from the runs that are finished."""
    from rlp_core.study.report import report

    for line in report(root, name, folder, into):
        click.echo(line)


@main.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--into", type=click.Path(path_type=Path), help="Write the page here too.")
def compare(runs: tuple[Path, ...], into: Path | None) -> None:
    """Compare the arms over several runs that differ in their seed alone.

    RUN is a folder in which a run ended. With several, intervals cover the spread between runs.
    """
    from rlp_core.study import replicates

    for line in replicates.compare(runs, into):
        click.echo(line)


@main.group(cls=_Group)
def prompts() -> None:
    """Look at the prompts that ask a model to think; `thought.prompt` names one."""


@prompts.command("list")
def list_prompts() -> None:
    """List the prompts."""
    from rlp_core import prompts as library

    known = library.names()
    width = max(map(len, known))
    for name in known:
        click.echo(f"{name:{width}}  {library.get(name).title}")


@prompts.command("show")
@click.argument("name")
def show_prompt(name: str) -> None:
    """Print a prompt: what it is, and its words."""
    from rlp_core import prompts as library

    prompt = library.get(name)
    click.echo(f"title:  {prompt.title}\nsource: {prompt.source}\nplace:  {prompt.place}\n")
    click.echo(prompt.text, nl=not prompt.text.endswith("\n"))


@main.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=None,
    help="Your own; by default what evaluate.benchmark_folder usually names, data/benchmarks.",
)
@click.pass_obj
def benchmarks(root: Path, folder: Path | None) -> None:
    """List the benchmarks: those of the package, and your own."""
    from rlp_core.evaluation import benchmarks as library

    known = library.files(root / (folder or "data/benchmarks"))
    width = max(map(len, known))
    for name, path in sorted(known.items()):
        found = library.read(path)
        click.echo(f"{name:{width}}  {found.group:19}  {found.answer:8}  {found.title}")


@main.command()
@click.argument("kind")
def schema(kind: str) -> None:
    """Print the JSON Schema of KIND: document, demonstration or problem."""
    import json

    from rlp_core.data.schema import record_schema

    click.echo(json.dumps(record_schema(kind), indent=2, ensure_ascii=False))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.pass_obj
def stage(root: Path, name: str) -> None:
    """Run one stage here and now, without DVC; `dvc repro` is the usual way."""
    import os

    from rlp_core.stage import main as run

    os.chdir(root)
    sys.exit(run([name]))


@main.group(cls=_Group)
def params() -> None:
    """Look at params.yaml."""


@params.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def check_params(root: Path, file: Path | None) -> None:
    """Check params.yaml, or FILE, and what it names, as a run does before it starts."""
    from rlp_core.checks import check
    from rlp_core.params import load
    from rlp_core.workspace import Workspace

    path = file or Workspace(root).params
    check(load(path), root)
    click.echo(f"{path}: all parameters are known and possible")


@main.command()
@click.option(
    "--stage", "name", help="One stage, such as rlp or evaluate@rlp; by default each kind."
)
@click.option(
    "--params",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="By default params.yaml.",
)
@click.option("--profile", "profile_name", help="A profile in place of a file.")
@click.option("--model", help="A model's folder in place of the one that the parameters name.")
@click.option("--memory", help="Of a GPU that is not here, such as 80GB.")
@click.pass_obj
def plan(
    root: Path,
    name: str | None,
    file: Path | None,
    profile_name: str | None,
    model: str | None,
    memory: str | None,
) -> None:
    """Say what stages will hold in memory and how long they will take; starts nothing.

    Loads no weights. Exits with an error where a stage does not fit.
    """
    from rlp_core import profiles
    from rlp_core.params import load
    from rlp_core.planning.command import told
    from rlp_core.workspace import Workspace

    if file is not None and profile_name is not None:
        raise UsageError(
            "a file and a profile are two sets of parameters",
            where="rlp plan --params FILE --profile NAME",
            fix="give one of them",
        )
    path = file or Workspace(root).params
    if profile_name is not None:
        path = profiles.path(root, profile_name)
    for line in told(load(path), root, stage=name, memory=memory, model=model):
        click.echo(line)


@main.command()
@click.pass_obj
def doctor(root: Path) -> None:
    """Look for what could go wrong: versions, switches, parameters, DVC, git, MLflow."""
    from rlp_core.doctor import examine

    findings = examine(root)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok  " if finding.fine else "LOOK"
        click.echo(f"{mark}  {finding.name:{width}}  {finding.text}")
    if not all(finding.fine for finding in findings):
        sys.exit(1)


@main.group(cls=_Group)
def model() -> None:
    """Bring models in."""


@model.command("import")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--revision", default="", help="Commit, tag or branch of a model on the hub.")
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the tokenizer to use instead of the source's own.",
)
@click.option("--replace", is_flag=True, help="Take the place of a model that is there already.")
@click.pass_obj
def import_model(
    root: Path, source: str, folder: Path, revision: str, tokenizer: Path | None, replace: bool
) -> None:
    """Write FOLDER, which `base.checkpoint` can name, from SOURCE.

    SOURCE is the name of a model on the hub, a folder, or a .gguf file. Weights become fp32
    safetensors. Nothing is downloaded unless HF_HUB_OFFLINE=0.
    """
    from rlp_core.importing import import_model as bring_in

    done = bring_in(source, root / folder, revision=revision, tokenizer=tokenizer, replace=replace)
    origin = done.origin
    written = ", ".join(f"{count} {kind}" for kind, count in origin.quantisation.items())
    click.echo(f"{origin.name}: {origin.architecture}, {done.parameters:,} parameters")
    if written:
        click.echo(f"tensors were {written}; they are fp32 now")
    click.echo(f"an answer ends at {', '.join(done.ends)}" if done.ends else "no end of text known")
    click.echo(f"{folder}: {done.bytes / 1e6:.0f} MB, read back and equal")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("text")
@click.option("--next", "following", help="What really follows TEXT: weigh it, thinking and not.")
@click.option("--thoughts", default=3, show_default=True, type=click.IntRange(1, 64))
@click.option("--temperature", default=0.7, show_default=True, type=click.FloatRange(0))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--open", "opening", help="Opens a thought; by default what the folder says.")
@click.option("--close", "closing", help="Closes a thought; by default what the folder says.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest thought; by default the same.")
def think(
    model: Path,
    text: str,
    following: str | None,
    thoughts: int,
    temperature: float,
    seed: int,
    device: str,
    opening: str | None,
    closing: str | None,
    max_tokens: int | None,
) -> None:
    """Let the model in folder MODEL think after TEXT, and show how it goes on.

    TEXT is - for standard input, which is read as it is, its last line end too. Needs no checkout.
    """
    from rlp_core.data.thinking import Thinking
    from rlp_core.think import Asked
    from rlp_core.think import think as think_after

    if text == "-":
        text = _standard_input()
    given = {"open": opening, "close": closing, "max_tokens": max_tokens}
    chosen = {name: value for name, value in given.items() if value is not None}
    thinking = None
    if len(chosen) == len(given):
        thinking = Thinking(**chosen)  # type: ignore[arg-type]  # a text, a text and a number
    elif chosen and model.is_dir():
        thinking = dataclasses.replace(Thinking.read(model), **chosen)  # type: ignore[arg-type]
    asked = Asked(text, following, thoughts, temperature, seed, device)
    for said in think_after(model, asked, thinking):
        click.echo(said)


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is no UTF-8 text: {error}",
            where="rlp think MODEL -",
            fix="convert it first: iconv -f LATIN1 -t UTF-8",
        ) from error


@main.command()
@click.argument("model", default="rlp-policy")
@click.pass_obj
def rollback(root: Path, model: str) -> None:
    """Make the champion before the present one champion of registered MODEL again."""
    from rlp_core.champion.command import told_rollback

    click.echo(told_rollback(root, model))


@main.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="All of it, parameters too, as JSON.")
@click.pass_obj
def lineage(root: Path, model: str, as_json: bool) -> None:
    """Say what MODEL came from: code, parameters, data, validation, flow run.

    MODEL is registered: NAME@ALIAS, such as rlp-policy@champion, or NAME/VERSION.
    """
    import json

    from rlp_core.champion.command import lineage_tree, told_lineage

    if as_json:
        click.echo(json.dumps(lineage_tree(root, model), indent=2, ensure_ascii=False))
        return
    for line in told_lineage(root, model):
        click.echo(line)


@main.command()
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--run", "again", is_flag=True, help="Compute all anew in place of the cache.")
@click.pass_obj
def reproduce(root: Path, model: str, folder: Path, again: bool) -> None:
    """Check out in FOLDER what MODEL was made from, bring its data, and verify every digest.

    MODEL as in `rlp lineage`. Exits with 1 where anything is missing or differs.
    """
    from rlp_core.champion.command import run_reproduce

    if not run_reproduce(root, model, folder.absolute(), again=again, say=click.echo):
        sys.exit(1)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def bench(root: Path, arguments: tuple[str, ...]) -> None:
    """Time a step of RLP, alone or beside TRL's; `rlp bench --help` lists the options.

    Starts `python -m benchmarks.bench`, which needs a checkout.
    """
    import subprocess

    from rlp_core.errors import UnavailableError

    if not (root / "benchmarks" / "bench.py").is_file():
        raise UnavailableError(
            "the benchmarks are not part of an installed package",
            where=str(root),
            fix="run it in a checkout, or name one: `rlp --root CHECKOUT bench`",
        )
    command = [sys.executable, "-m", "benchmarks.bench", *arguments]
    sys.exit(subprocess.run(command, cwd=root, check=False).returncode)


@main.command()
@click.argument("dump", type=click.Path(path_type=Path))
@click.pass_obj
def replay(root: Path, dump: Path) -> None:
    """Run the step in folder DUMP again, on the CPU, and say what in it is not finite.

    Exits with 0 if the fault shows here too, with 1 if it does not.
    """
    from rlp_core.monitoring.rerun import rerun as run_again

    read = run_again(root / dump)
    for line in read.lines():
        click.echo(line)
    if not read.reproduced:
        sys.exit(1)


if __name__ == "__main__":
    main()
