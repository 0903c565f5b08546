"""Settings of what is measured for the thought inspector of the page; imports no torch."""

from __future__ import annotations

from pydantic import Field

from rlp_core.section import Count, Positive, Section


class Inspect(Section):
    """Held-out documents of which every token is thought before, to be looked at one by one.

    No metric is made from them: they are `heldout_documents` of which more is kept. Thoughts are
    tried before `documents` * `tokens` tokens, `thoughts` times each.
    """

    documents: Count = Field(
        default=3,
        description="Documents, as many of each source, drawn by content hash; 0: none, and the "
        "page has no inspector.",
    )
    tokens: Positive = Field(
        default=48,
        description="Tokens in a row at most of each document: from its beginning, or around the "
        "first place that its source marks.",
    )
    thoughts: Positive = Field(default=3, description="Thoughts at each token.")
    candidates: Positive = Field(
        default=4,
        description="Next tokens whose probabilities are kept, beside the one that follows: the "
        "likeliest without a thought and after the thoughts, so many of either.",
    )
