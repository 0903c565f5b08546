"""Loops: supervised and RLP; optimizers, batches, the compute ledger, progress."""
