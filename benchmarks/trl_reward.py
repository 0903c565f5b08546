"""Information gain as a reward function for TRL, in the way that its users write one.

TRL hands a reward function prompts and completions, and no cache or logits of its own. So the
policy must read prefix and thought once more, and the EMA target must read the prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmarks.work import Passage
from rlp_core.data.tokenizer import Codec
from rlp_core.training.timers import PhaseTimer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class InformationGain:
    """r = log p(x_t.. | x_<t, thought, </think>) - log p_EMA(x_t.. | x_<t), in nats.

    Both scores are sums over `horizon` tokens, from dense forward passes over padded batches.
    The EMA score is the same for all thoughts of a position; most scripts compute it for each.

    Attributes:
        lengths: tokens of every thought that was scored, in order.
        rewards: what was returned last.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        target: PreTrainedModel,
        codec: Codec,
        passages: Sequence[Passage],
        *,
        horizon: int,
        rows: int,
        baseline_per_thought: bool,
        watch: PhaseTimer,
    ) -> None:
        """Hold what is scored.

        Args:
            policy: the model that TRL trains.
            target: its EMA copy.
            codec: for the delimiters and the padding.
            passages: the documents, in the order that the column `document` counts.
            horizon: tokens to predict.
            rows: per forward pass. Rows of one position have one length, so that batches of G
                need no padding.
            baseline_per_thought: compute the EMA score for every thought, not once per position.
            watch: charged with the phases `reward_policy` and `reward_baseline`.
        """
        self.policy, self.target, self.codec = policy, target, codec
        self.passages, self.horizon, self.rows = passages, horizon, rows
        self.baseline_per_thought, self.watch = baseline_per_thought, watch
        self.lengths: list[int] = []
        self.rewards: list[float] = []

    def __call__(
        self,
        *,
        completion_ids: list[list[int]],
        document: list[int],
        position: list[int],
        **_others: object,
    ) -> list[float]:
        """The reward of each completion, by the columns of its prompt.

        Args:
            completion_ids: tokens of the thoughts; a missing `</think>` is added.
            document: index of the document, per thought.
            position: t, per thought.
        """
        places = list(zip(document, position, strict=True))
        close = self.codec.close_id
        self.lengths += map(len, completion_ids)
        with self.watch.phase("reward_policy"):
            contexts = []
            for (number, at), thought in zip(places, completion_ids, strict=True):
                end = [] if thought[-1:] == [close] else [close]
                before = self.passages[number].tokens[:at]
                contexts.append([*before, self.codec.open_id, *thought, *end])
            reasoned = self._score(self.policy, contexts, places)
        with self.watch.phase("reward_baseline"):
            scored = places if self.baseline_per_thought else list(dict.fromkeys(places))
            scores = self._score(
                self.target, [self.passages[n].tokens[:at] for n, at in scored], scored
            )
            plain = dict(zip(scored, scores.tolist(), strict=True))
        baseline = torch.tensor([plain[place] for place in places])
        self.rewards = (reasoned.float() - baseline).tolist()
        return self.rewards

    @torch.no_grad()
    def _score(
        self,
        model: PreTrainedModel,
        contexts: list[list[int]],
        places: list[tuple[int, int]],
    ) -> Tensor:
        """Summed log-probability of the targets at `places` after `contexts`: [rows]."""
        targets = [self.passages[number].tokens[at : at + self.horizon] for number, at in places]
        scores = []
        for start in range(0, len(contexts), self.rows):
            part = slice(start, start + self.rows)
            scores.append(self._score_batch(model, contexts[part], targets[part]))
        return torch.cat(scores)

    def _score_batch(
        self, model: PreTrainedModel, contexts: list[list[int]], targets: list[list[int]]
    ) -> Tensor:
        """Padded on the left, so that the rows of the head that are needed stand last."""
        rows = [[*c, *t[:-1]] for c, t in zip(contexts, targets, strict=True)]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.codec.pad_id)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, width - len(row) :] = torch.tensor(row)
            mask[index, width - len(row) :] = 1
        output = model(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0).to(model.device),
            logits_to_keep=self.horizon,
            use_cache=False,
        )
        logprobs = output.logits.float().log_softmax(dim=-1)
        wanted = torch.tensor(targets, device=logprobs.device)[..., None]
        total: Tensor = logprobs.gather(2, wanted).squeeze(2).sum(dim=1)
        return total.cpu()
