"""Stage `rlvr@ARM`: the same reinforcement learning with verifiable rewards for every arm.

The second half of post-training, behind supervised fine-tuning, as in the paper's. Every arm is
asked the same problems in the same order, by the same recipe and the same random numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlp_core.data.records import Problem
from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.evaluation.verified import is_judged_right
from rlp_core.files import folder_sha256, replacing_folder
from rlp_core.monitoring.watched_rlvr import WatchedRlvr
from rlp_core.stages import common
from rlp_core.training.answered import AskedProblem
from rlp_core.training.rlvr import RlvrLearner
from rlp_core.training.selfcheck import verify_answers
from rlp_core.training.truncation import Truncation
from rlp_core.workspace import REWARDED_PART

if TYPE_CHECKING:
    from rlp_core.data.tokenizer import Codec
    from rlp_core.stage import StageContext


def run(context: StageContext) -> None:
    """Write `models/ARM-ft`, its metrics and its learning curve.

    Raises:
        MissingInputError: there is no fine-tuned model, or no problem.
        ConfigError: no problem is left within the limits, or most of them are not.
        TrainingError: the run has collapsed.
    """
    if not context.params.rlvr.steps:
        pass_on(context)
        return
    params, settings, runtime = context.params, context.params.rlvr, context.params.runtime
    supervised = context.workspace.supervised(context.arm)
    model, codec = common.open_model(context, supervised.name, settings.lora)
    problems = common.read_part(context, REWARDED_PART, Problem)
    asked, lost = askable(problems, codec, settings.max_tokens, settings.answer_tokens)
    learner = RlvrLearner(
        model,
        codec,
        settings,
        params.thought.max_tokens,
        params.seed,
        asked,
        is_judged_right,
        decode_batch_size=runtime.decode_batch_size,
        update_token_budget=runtime.update_token_budget,
    )
    verify_answers(learner, runtime.verify, context.name)
    watched = WatchedRlvr(
        learner,
        settings.health,
        context.name,
        f"models/{supervised.name}, which the stage began with",
    )
    log = common.train(context, watched, settings.steps)
    common.save_model(context, model, codec, f"{context.arm}-ft", settings.lora)
    common.finish_training(context, log, learner.ledger, lost)


def pass_on(context: StageContext) -> None:
    """Make the fine-tuned model the arm's, byte for byte, where no step is to be made.

    Raises:
        MissingInputError: there is none.
    """
    source, arm = context.workspace.supervised(context.arm), f"{context.arm}-ft"
    if not source.is_dir():
        raise MissingInputError(
            "no model folder here",
            where=str(source),
            fix=f"run `dvc repro finetune@{context.arm}`, or `dvc pull` it",
        )
    with replacing_folder(context.workspace.model(arm)) as folder:
        # contents alone: what DVC has in its cache may be read-only
        shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    context.tracker.model(path=context.workspace.model(arm), arm=arm)
    print(f"{arm}: {folder_sha256(source)[:12]}, as fine-tuned: rlvr.steps is 0")
    common.step_log(context, 0).close(context.workspace.report(context.name) / "steps.csv")
    common.write_metrics(context, {"steps": 0, "flops": 0, "tokens": 0})


def askable(
    problems: Sequence[Problem], codec: Codec, max_tokens: int, answer_tokens: int
) -> tuple[list[AskedProblem], dict[str, float]]:
    """The problems within the limits, and what these cost.

    A problem that is too long is dropped: without its beginning it would be another. One whose
    answer cannot be written within its limit could never be rewarded. (Of a world several answers
    may be right; the one that the record gives is measured.)

    Raises:
        ConfigError: none is left, or most are dropped.
    """
    asked = [AskedProblem.of(problem, codec) for problem in problems]
    fits = [one for one in asked if one.position.index <= max_tokens]
    lengths = [one.position.index for one in asked]
    cut = Truncation.of((n, n if n <= max_tokens else 0) for n in lengths)
    cut.tell(REWARDED_PART, "rlvr.max_tokens")
    # the end of an answer is a token of its own
    kept = [one for one in fits if len(codec.encode(one.problem.answer)) < answer_tokens]
    longer = len(fits) - len(kept)
    if longer:
        print(
            f"warning: {longer} of {len(fits)} problems have an answer that does not end within "
            f"rlvr.answer_tokens = {answer_tokens}: dropped",
            flush=True,
        )
    if 2 * len(kept) < len(problems):
        raise ConfigError(
            f"of {len(problems)} problems {len(kept)} are left to ask: {cut.dropped} are too long, "
            f"and of {longer} the answer is",
            where="params.yaml: rlvr.max_tokens, rlvr.answer_tokens",
            fix="raise the limits, or give other problems in `prepare.rlvr`",
        )
    shares = {"dropped_share": cut.dropped_share, "unanswerable_share": longer / len(problems)}
    return kept, shares
