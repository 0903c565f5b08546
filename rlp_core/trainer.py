"""RLP on a model, a tokenizer and documents of one's own: the library's entry, and stage `rlp`'s.

    trainer = RLPTrainer(model, tokenizer, documents, RLPConfig(steps=200))
    trainer.train()
    trainer.save_pretrained("my-thinking-model")

It needs torch and transformers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rlp_core.callbacks import Callbacks, RLPCallback
from rlp_core.config import RLPConfig
from rlp_core.data.thinking import Thinking
from rlp_core.data.thought import ThoughtConfig
from rlp_core.errors import ConfigError, UsageError
from rlp_core.monitoring.monitored import MonitoredLearner
from rlp_core.monitoring.progress import MetricSink, StepLog, tail_means
from rlp_core.policy import lora
from rlp_core.policy import model as models
from rlp_core.rollout.engine import prepare
from rlp_core.training import loop
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.config import Verify
from rlp_core.training.corpus import tokenize_corpus
from rlp_core.training.inputs import as_records, check_model, codec_for, run_key
from rlp_core.training.learner import RLPLearner
from rlp_core.training.saving import SHARE
from rlp_core.training.selfcheck import verify_branches

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from rlp_core.data.records import Document
    from rlp_core.training.loop import StepResult


class RLPTrainer:
    """Trains a causal language model to think before it predicts (arXiv 2510.01265).

    Attributes:
        model: theta, in float32; trained in place.
        tokenizer: gets the delimiters of a thought as tokens of its own, where it lacks them.
        corpus: the documents as tokens.
        learner: the loop's state: policy, EMA, frozen start, optimizer, ledger of the compute.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        documents: Sequence[str | Document],
        config: RLPConfig | None = None,
        *,
        thought: ThoughtConfig | None = None,
        seed: int = 1,
        callbacks: Sequence[RLPCallback] = (),
        output_dir: str | Path | None = None,
        decode_batch_size: int = 512,
        update_token_budget: int = 16384,
        attention: str = "auto",
        ema_device: str = "",
        verify: Verify = "error",
        save_seconds: float = 60.0,
        save_share: float = SHARE,
        log_every: int = 10,
        sink: MetricSink | None = None,
        checkpoints: Checkpoints | None = None,
        dump_dir: Path | None = None,
    ) -> None:
        """Check everything, and tokenize; nothing is trained yet.

        Args:
            model: any causal model of transformers with full attention, on its device. Weights
                that are not float32 are turned into it.
            tokenizer: the model's, a fast one.
            documents: texts, or records with marked answers.
            config: the objective and the loop; None: all defaults.
            thought: delimiters, the longest thought, and a prompt; None: all defaults.
            seed: of every random choice. Same inputs and seed: same bytes, on one machine.
            callbacks: told of steps, evaluations and checkpoints.
            output_dir: takes checkpoints, dumps of steps that are not finite, and the last good
                model of a run that collapsed; None: no checkpoints, and a temporary folder.
            decode_batch_size: thoughts in flight at once.
            update_token_budget: tokens through the network at once in an update.
            attention: `auto`, `blocks`, `flash` on a CPU, or `flex` on a GPU.
            ema_device: where the EMA lies; empty: beside the model.
            verify: compare branch attention with the dense path before training; a difference that
                rounding does not explain is an `error`, or a warning (`warn`); or `off`.
            save_seconds: seconds between checkpoints, at least; 0: after every step.
            save_share: of the time that checkpoints may take; they are fewer where they would
                take more.
            log_every: steps between lines of the log where there is no terminal for a bar.
            sink: takes every step's metrics and speed, such as an experiment tracker.
            checkpoints: where state is kept, instead of a folder in `output_dir`.
            dump_dir: where dumps go, instead of a folder in `output_dir`.

        Raises:
            ConfigError: model, tokenizer, settings and documents do not fit one another.
            DataError: there is no document, or one is empty.
            PluginError: a callback is none.
        """
        self.config, self.thought = config or RLPConfig(), thought or ThoughtConfig()
        self.seed, self.verify = seed, _known_verdict(verify)
        self.save_seconds, self.save_share = save_seconds, save_share
        records = as_records(documents)
        spoken = len(tokenizer) if tokenizer is not None else 0
        self.codec = codec_for(model, tokenizer, self.thought)
        self.model, self.tokenizer = model, self.codec.tokenizer
        check_model(model, self.config, self.thought, len(self.codec.lead))
        heldout = self.config.heldout
        self.corpus = tokenize_corpus(
            self.codec, records, self.config, heldout.documents if heldout.every else 0
        )
        self.corpus.require_positions()
        if self.config.lora.rank:
            self._adapt(model, grown=len(self.codec.tokenizer) > spoken)
        prepare(model, attention)
        self.learner = RLPLearner(
            model,
            self.codec,
            self.config,
            self.thought,
            seed,
            self.corpus.training,
            decode_batch_size=decode_batch_size,
            update_token_budget=update_token_budget,
            ema_device=ema_device,
        )
        self.callbacks = Callbacks(self, callbacks)
        folder = Path(output_dir) if output_dir is not None else None
        self.checkpoints, self._given = checkpoints, checkpoints is not None
        if checkpoints is None and folder is not None:
            self.checkpoints = Checkpoints(folder / "checkpoints" / run_key(self.learner))
        self.watch = MonitoredLearner(
            self.learner,
            self.corpus.heldout,
            dump_dir or folder,
            self.save_pretrained,
            health=self.config.health,
            heldout=heldout,
        )
        self.log: StepLog | None = None
        self._log_every, self._sink = log_every, sink
        self._stopping = False

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of every step so far; those of a resumed run too."""
        return [] if self.log is None else self.log.rows

    def train(self, *, resume_from_checkpoint: bool = False) -> dict[str, float]:
        """Train for `config.steps` updates.

        Ctrl-C ends it at once; with an `output_dir` another trainer can go on from the checkpoint.

        Args:
            resume_from_checkpoint: go on from the last checkpoint of this very run: same model,
                documents, settings and seed; a resumed run ends with the bytes of an unbroken one.

        Returns:
            Means of the metrics over the last tenth of the steps, their names with `final_` before
            them; the number of steps, the FLOPs and the tokens.

        Raises:
            UsageError: it has trained already.
            ConfigError: there is no checkpoint to go on from.
            TrainingError: the run has collapsed; the message says where its last good model is. Or
                branches differ from the dense path.
            PluginError: a callback, an estimator or a reward term failed.
        """
        if self.log is not None:
            raise UsageError(
                "this trainer has trained already",
                where="RLPTrainer.train",
                fix="make a new RLPTrainer of the model; its baseline begins from the model anew",
            )
        self._check_checkpoints(resume_from_checkpoint)
        if self.config.steps:
            verify_branches(self.learner, self.verify)
        self.log = StepLog("rlp", self.config.steps, self._sink, self._log_every)
        self.callbacks.call("on_train_begin")
        try:
            loop.run(
                _Told(self.watch, self),
                self.config.steps,
                self.log,
                self.checkpoints,
                self.save_seconds,
                self.save_share,
                self._saved,
            )
        finally:
            self.log.end()
        self.watch.finish()
        ledger = self.learner.ledger
        metrics = tail_means(self.history) | self.corpus.metrics()
        metrics |= {"steps": len(self.history), "flops": ledger.total_flops}
        metrics["tokens"] = sum(ledger.tokens.values())
        self.callbacks.call("on_train_end", metrics)
        return metrics

    def evaluate(self, documents: Sequence[str | Document] | None = None) -> dict[str, float]:
        """Information gain on documents that are not trained on.

        Args:
            documents: None: those that `config.heldout` holds back.

        Returns:
            In nats, means over positions: `heldout_information_gain` over the EMA that did not
            think, `heldout_gain` over the model that the run began with, `heldout_direct`, what
            the model gained on it without thinking; and `heldout_thought_tokens`.

        Raises:
            ConfigError: none are held back, or none leaves a position to think at; or it has
                trained without keeping the model that it began with, which the KL term, the
                audit, and held-out texts have it keep.
            DataError: as of the constructor.
        """
        if documents is None and not self.corpus.heldout:
            raise ConfigError(
                "there is no held-out document to evaluate on",
                where="RLPTrainer.evaluate",
                fix="give documents, or set heldout=HeldoutConfig(every=N) in RLPConfig",
            )
        if self.learner.start is None:
            if self.log is not None:
                raise ConfigError(
                    "the model that the run began with was not kept: there is nothing to compare "
                    "with",
                    where="RLPTrainer.evaluate",
                    fix="set heldout=HeldoutConfig(every=N) in RLPConfig, or call evaluate before "
                    "train() too",
                )
            self.learner.keep_start()
        if documents is None:
            return self.watch.evaluate()
        corpus = tokenize_corpus(self.codec, as_records(documents), self.config, 0)
        corpus.require_positions()
        return self.watch.evaluate(corpus.training)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model as transformers do, its tokenizer, and how it thinks (`thought.json`).

        `AutoModelForCausalLM.from_pretrained` and `rlp think` read the folder. With
        `LoraConfig(saved="adapter")` it holds the adapters alone, and `AutoPeftModelForCausalLM`
        reads it.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        models.save(self.model, self.tokenizer, target, self.config.lora.saved)
        Thinking.of(self.thought).write(target)

    def _adapt(self, model: PreTrainedModel, grown: bool) -> None:
        """Put adapters into the model; where they are saved alone, their model must be a saved one.

        `grown` says whether the delimiters were new to it.
        """
        own = self.config.lora
        if own.saved == "adapter" and (grown or not model.name_or_path):
            why = "the delimiters are new to the model" if grown else "the model was never saved"
            raise ConfigError(
                f"adapters alone are to be saved, and {why}: they would fit no model that exists",
                where="RLPConfig(lora=LoraConfig(saved='adapter'))",
                fix="save the model and load it with from_pretrained first, or take saved='merged'",
            )
        lora.prepare_adapters(model, own, self.seed, model.name_or_path or "")

    def stop(self) -> None:
        """End training after the present step; for callbacks."""
        self._stopping = True

    def _check_checkpoints(self, resume: bool) -> None:
        """Raise ConfigError where there is nothing to go on from; else clear what is in the way.

        Checkpoints that were given are the caller's business: training goes on from them.
        """
        kept = self.checkpoints
        if self._given:
            return
        if kept is None:
            if resume:
                raise _nothing_to_resume("no output_dir was given")
            return
        found = kept.latest()
        if resume and found is None:
            folder = kept.folder.parent
            raise _nothing_to_resume(
                f"{folder} has none of this model, these documents, settings and seed "
                f"({len(list(folder.glob('*')))} of other runs)"
            )
        if not resume and found is not None:
            print(f"rlp: removes the checkpoint of step {found[0]} of an earlier run like this one")
            kept.clear()

    def _saved(self, step: int) -> None:
        assert self.checkpoints is not None
        self.callbacks.call("on_save", step, self.checkpoints.folder)


class _Told:
    """The watched learner; its steps and evaluations are told to the callbacks."""

    def __init__(self, watch: MonitoredLearner, trainer: RLPTrainer) -> None:
        self.watch, self.trainer = watch, trainer

    def step(self, number: int) -> StepResult | None:
        if self.trainer._stopping:
            return None
        result = self.watch.step(number)
        metrics = result.metrics
        evaluated = {k: v for k, v in metrics.items() if k.startswith("heldout_")}
        if evaluated:
            self.trainer.callbacks.call("on_evaluate", number + 1, evaluated)
        self.trainer.callbacks.call("on_step_end", number + 1, metrics)
        return result

    def state(self) -> State:
        return self.watch.state()

    def restore(self, state: State) -> None:
        self.watch.restore(state)


def _nothing_to_resume(why: str) -> ConfigError:
    return ConfigError(
        f"there is no checkpoint to go on from: {why}",
        where="RLPTrainer.train(resume_from_checkpoint=True)",
        fix="train without it, or give the output_dir, model, documents, settings and seed of the "
        "run that was ended",
    )


def _known_verdict(value: Verify) -> Verify:
    known = get_args(Verify)
    if value not in known:
        raise ConfigError(
            f"verify = {value!r} is none of {', '.join(known)}",
            where="RLPTrainer(verify=...)",
            fix="write 'error' or 'warn' for what was True, 'off' for what was False",
        )
    return value
