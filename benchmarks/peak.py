"""The machine's limits: matrix-product peak and memory bandwidth.

    python -m benchmarks.peak --threads 2

prints the figures as JSON in the last line of stdout.
"""

from __future__ import annotations

import dataclasses
import json

import click

from rlp_core import quiet


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
def main(threads: int, device: str, seconds: float) -> None:
    """Measure the machine's matrix-product peak and memory bandwidth."""
    quiet.apply()
    from rlp_core.monitoring.roofline import measure

    click.echo(json.dumps(dataclasses.asdict(measure(threads, device, seconds))))


if __name__ == "__main__":
    main()
