"""McNemar's exact test: did as many answers turn wrong as turned right?"""

from __future__ import annotations


def mcnemar(worse: int, better: int) -> float:
    """Two-sided p that pairs which changed were as likely to change one way as the other.

    Under that hypothesis the worse of n = worse + better changed pairs are binomial (n, 1/2); pairs
    that did not change say nothing. The p-value is exact for any n, and so its level is kept, and
    rarely reached: counts are whole (McNemar 1947; Agresti 2013, section 11.1). It takes pairs for
    independent.

    Args:
        worse: pairs that were right and are wrong.
        better: pairs that were wrong and are right.

    Returns:
        The p-value; NaN where no pair changed, so that it is no test and counts as none in Holm's
        family.
    """
    count = worse + better
    if not count:
        return float("nan")
    tail, ways = 0, 1  # ways to choose the i pairs that turned the rarer way
    for i in range(min(worse, better) + 1):
        tail += ways
        ways = ways * (count - i) // (i + 1)
    return min(1.0, tail / (1 << (count - 1)))
