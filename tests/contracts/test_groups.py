"""Counts of gendered terms."""

from __future__ import annotations

from rlp_core.contracts import groups


def test_whole_words_blind_to_case() -> None:
    counts = groups.count(["She saw HIM.", "the shell of a sheriff", "Her mother and his father"])
    assert counts == {"female": 3, "male": 3}


def test_terms_of_the_groups_differ() -> None:
    assert not groups.TERMS["female"] & groups.TERMS["male"]


def test_the_share_of_the_rarest_group() -> None:
    assert groups.least_share({"female": 20, "male": 180}) == 0.1
    assert groups.least_share({"female": 0, "male": 99}) == 0.5  # too few to tell
