"""What several stages do alike: read records, open and save models, write the metrics."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, TypeVar

import torch

from rlp_core.data.records import Record
from rlp_core.data.thinking import Thinking
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import ConfigError, MissingInputError
from rlp_core.files import folder_sha256, read_jsonl, replacing_folder, sha256, write_json
from rlp_core.monitoring.progress import StepLog, tail_means
from rlp_core.params.root import sequence_lengths
from rlp_core.planning.command import before_stage
from rlp_core.policy import checks, lora
from rlp_core.policy import model as models
from rlp_core.policy.config import LoraConfig
from rlp_core.rollout.engine import prepare
from rlp_core.threads import threads_of
from rlp_core.training import inputs, loop
from rlp_core.training.checkpoint import Checkpoints

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from rlp_core.params import Params
    from rlp_core.stage import StageContext
    from rlp_core.training.ledger import Ledger
    from rlp_core.training.loop import Trainable

R = TypeVar("R", bound=Record)


def prepare_torch(params: Params) -> torch.device:
    """Set threads and determinism, and return the device."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads_of(params))
    torch.use_deterministic_algorithms(params.runtime.deterministic)
    return models.choose_device(params.runtime.device)


def read_part(context: StageContext, part: str, kind: type[R]) -> list[R]:
    """The validated records of a part, noted as an input of the run.

    Raises:
        MissingInputError: the part was not validated yet.
    """
    path = context.workspace.part(part)
    if not path.is_file():
        raise MissingInputError(
            f"part {part!r} of the data is not there",
            where=str(path),
            fix="run `dvc repro validate`, or `dvc pull` it",
        )
    context.tracker.dataset(name=part, path=path, digest=sha256(path), context=context.name)
    records = [kind.model_validate(row) for row in read_jsonl(path)]
    if not records:
        raise MissingInputError(
            f"part {part!r} holds no record",
            where=str(path),
            fix="see reports/validate/data-report.html for what was quarantined",
        )
    return records


def open_model(
    context: StageContext, arm: str, adapters: LoraConfig | None = None
) -> tuple[PreTrainedModel, Codec]:
    """Load the model of an arm onto the device, and its codec; first the stage's plan is told.

    Args:
        context: the stage.
        arm: whose model.
        adapters: what is trained of it; None, or of rank 0: all weights. Where adapters are
            trained and saved as such, those that the arm's folder holds are gone on with.

    Raises:
        ConfigError: the arm's own adapters are of another make than those that are asked for; or
            the stage cannot fit into memory.
    """
    device = prepare_torch(context.params)
    folder = context.workspace.model(arm)
    if folder.is_dir():  # else loading says which stage makes it
        before_stage(context.params, context.name, context.workspace.root)
    on = adapters is not None and adapters.rank > 0 and adapters.saved == "adapter"
    model, tokenizer = models.load(folder, keep_adapters=on)
    if adapters is not None and adapters.rank:
        lora.prepare_adapters(model, adapters, context.params.seed, f"models/{arm}")
    codec = codec_of(context.params, model, tokenizer)
    check_lengths(context.params, model, f"models/{arm}", len(codec.lead))
    model.to(device)  # type: ignore[arg-type]  # a decorator of transformers hides the type
    prepare(model, context.params.runtime.attention)
    return model, codec


def check_lengths(params: Params, model: PreTrainedModel, source: str, lead: int) -> None:
    """Raise ConfigError where any stage may read more tokens at once than the model can.

    `lead` is the length of the prompt before a thought, in tokens.
    """
    lengths = {"base.max_tokens": params.base.max_tokens, **sequence_lengths(params, lead)}
    checks.check_length(model.config, lengths, source)


def delimiters(params: Params) -> tuple[str, str]:
    """The tokens that open and close a thought."""
    return params.thought.open, params.thought.close


def codec_of(params: Params, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Codec:
    """The codec of a model's tokenizer, with the delimiters and the prompt of the parameters.

    Raises:
        ConfigError: a text may be no longer than the prompt alone.
    """
    codec = inputs.codec_of(model, tokenizer, params.thought)
    limits = {
        f"{name}.max_tokens": getattr(params, name).max_tokens
        for name in ("base", "bootstrap", "rlp", "finetune", "evaluate")
    }
    short = {key: limit for key, limit in limits.items() if limit <= len(codec.prefix)}
    if params.thought.prompt and short:
        told = ", ".join(f"{key} = {limit}" for key, limit in short.items())
        raise ConfigError(
            f"the prompt `{params.thought.prompt}` is {len(codec.prefix)} tokens of this "
            f"tokenizer and leaves no room for a text within {told}",
            where="params.yaml: thought.prompt",
            fix="raise these limits, or name a shorter prompt (`rlp prompts list`)",
        )
    return codec


def save_model(
    context: StageContext,
    model: PreTrainedModel,
    codec: Codec,
    arm: str,
    adapters: LoraConfig | None = None,
) -> None:
    """Write the model of an arm, whole or not at all, and note it in the run.

    `adapters` says what is written of a model with adapters.
    """
    with replacing_folder(context.workspace.model(arm)) as folder:
        models.save(model, codec.tokenizer, folder, adapters.saved if adapters else "merged")
        Thinking.of(context.params.thought).write(folder)
    context.tracker.model(path=context.workspace.model(arm), arm=arm)
    print(f"{arm}: model {folder_sha256(context.workspace.model(arm))[:12]} saved")


def step_log(context: StageContext, total: int) -> StepLog:
    """The log of a training stage."""
    return StepLog(context.name, total, context.tracker, context.params.runtime.log_every)


def train(context: StageContext, trainable: Trainable, steps: int) -> StepLog:
    """Run a training stage's loop, going on from its checkpoint if it was killed before.

    Raises:
        TryAgainError: SIGTERM came; the state is saved.
    """
    kept, log, runtime = checkpoints(context), step_log(context, steps), context.params.runtime
    loop.run(trainable, steps, log, kept, runtime.checkpoint_seconds, runtime.checkpoint_share)
    return log


def checkpoints(context: StageContext) -> Checkpoints | None:
    """Where a training stage keeps its state; those of runs with other inputs are removed."""
    if context.scratch is None:
        return None
    _drop_leftovers(context.name, context.scratch)
    return Checkpoints(context.scratch)


def _drop_leftovers(stage: str, scratch: Path) -> None:
    """Remove the checkpoints of runs with other code, data or parameters: no run will ask."""
    others = [path for path in scratch.parent.glob("*") if path != scratch]
    for path in others:
        shutil.rmtree(path)
    if others:
        print(f"{stage}: removed the checkpoints of {len(others)} runs with other inputs")


def finish_training(
    context: StageContext, log: StepLog, ledger: Ledger, extra: dict[str, float] | None = None
) -> None:
    """Write `steps.csv` and `metrics.json`: the last tenth of the steps, averaged, and costs."""
    report = context.workspace.report(context.name)
    log.close(report / "steps.csv")
    metrics = tail_means(log.rows)
    metrics |= {"steps": len(log.rows), "flops": ledger.total_flops}
    metrics |= {"tokens": sum(ledger.tokens.values()), **(extra or {})}
    write_metrics(context, metrics)


def write_metrics(context: StageContext, metrics: dict[str, float]) -> None:
    """Write the stage's `metrics.json`, and log the same to the run."""
    write_json(context.workspace.report(context.name) / "metrics.json", metrics)
    context.tracker.metrics(metrics)


def require_learnable(count: int, part: str, limit: str) -> None:
    """Raise where no record of a part leaves a token to learn."""
    if not count:
        raise ConfigError(
            f"no record of part {part!r} leaves a token to learn or a place to think",
            where=f"params.yaml: {limit}",
            fix="raise the limit, mark answer spans, or choose another position selection",
        )
