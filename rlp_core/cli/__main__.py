"""`python -m rlp_core.cli` is `rlp`."""

from rlp_core.cli import main

main(prog_name="rlp")
