"""Dumps: everything that is needed to run one step of RLP again, on any machine.

When a step is not finite the trainer skips it, and would forget what it read. A dump keeps it: the
state before the step, the step's texts, the settings, the model's configuration and tokenizer. No
pickle: safetensors and JSON, checksummed, whole or not there at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from rlp_core.data.records import Document
from rlp_core.data.thought import ThoughtConfig
from rlp_core.data.tokenizer import Codec
from rlp_core.errors import DataError, MissingInputError
from rlp_core.files import folder_sha256, replacing_folder, sha256, write_json
from rlp_core.policy import lora
from rlp_core.policy.config import LoraConfig
from rlp_core.policy.sharing import frozen
from rlp_core.training.checkpoint import Checkpoints, State
from rlp_core.training.config import LearnerConfig
from rlp_core.training.inputs import codec_of
from rlp_core.training.positions import TokenizedDocument

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT = "rlp-dump-2"
KEPT = 3
"""Dumps of one run: the first few faults tell most, and a broken run must not fill the disk."""

_DUMP, _STATE, _MODEL, _MANIFEST = "dump.json", "state", "model", "manifest.json"
_FROZEN = "frozen.safetensors"


class DumpedDocuments(Sequence[TokenizedDocument]):
    """The texts of one step in a list of the run's full length, so that the step finds them.

    A step chooses among all texts by number; those that it does not read are not kept.
    """

    def __init__(self, length: int, kept: Mapping[int, TokenizedDocument]) -> None:
        self.length, self.kept = length, dict(kept)

    @staticmethod
    def of(
        documents: Sequence[TokenizedDocument], read: Iterable[int], numbers: Iterable[int] = ()
    ) -> DumpedDocuments:
        """Those of a run's texts that a step needs.

        Args:
            documents: all of them.
            read: their indices in it of those that the step reads.
            numbers: further texts by their own number: those in the replay buffer.
        """
        kept, others = set(read), set(numbers)
        kept |= (
            {i for i, document in enumerate(documents) if document.number in others}
            if others
            else set()
        )
        return DumpedDocuments(len(documents), {i: documents[i] for i in sorted(kept)})

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> TokenizedDocument: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TokenizedDocument]: ...
    def __getitem__(self, index: int | slice) -> TokenizedDocument | Sequence[TokenizedDocument]:
        """The text of that number.

        Raises:
            LookupError: the step did not read it, so it was not kept.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.length))]
        if index not in self.kept:
            raise LookupError(f"document {index} was not read by the dumped step")
        return self.kept[index]

    def __iter__(self) -> Iterator[TokenizedDocument]:
        """The texts that were kept, in order of number."""
        return (self.kept[index] for index in sorted(self.kept))


@dataclass(frozen=True)
class StepDump:
    """One step of a run, by all that decides what it does.

    Attributes:
        number: counted from 0.
        seed: the run's.
        runtime: further arguments of the trainer, by name: how the work is cut, which decides the
            order of rounding.
        settings: of the learner.
        thought: how a thought is written.
        documents: those that the step reads, and those in the replay buffer.
        chosen: indices of those that it reads.
        state: of the trainer, before the step.
        metrics: what the step gave; the reason for the dump is among them.
    """

    number: int
    seed: int
    runtime: dict[str, Any]
    settings: LearnerConfig
    thought: ThoughtConfig
    documents: DumpedDocuments
    chosen: list[int]
    state: State
    metrics: dict[str, float]


class DumpWriter:
    """The dumps of one run, in a folder of their own."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        """Begin; the folder is made by the first `write`.

        Args:
            folder: untracked, and keyed by the run, as its checkpoints are.
            kept: dumps at most; the first ones stay.
        """
        self.folder, self.kept = folder, kept

    def write(self, step: StepDump, model: PreTrainedModel, codec: Codec) -> Path | None:
        """Write the dump of a step.

        Args:
            step: what to keep.
            model: its configuration alone is written; the weights are in the state. Where only
                some of them are trained, those that are frozen are written too.
            codec: its tokenizer is written.

        Returns:
            Its folder, or None where as many others as are kept lie there already. A step that
            was dumped before a resume takes the place of its own dump.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        target = self.folder / f"step-{step.number:012d}"
        if len([path for path in self.folder.glob("step-*") if path != target]) >= self.kept:
            return None
        with replacing_folder(target) as folder:
            model.config.save_pretrained(folder / _MODEL)
            codec.tokenizer.save_pretrained(folder / _MODEL)
            if lora.adapted(model):
                save_file(frozen(model), folder / _MODEL / _FROZEN)
            Checkpoints(folder / _STATE).save(step.number, step.state)
            write_json(folder / _DUMP, _to_json(step))
            manifest = {
                "format": FORMAT,
                "dump": sha256(folder / _DUMP),
                "model": folder_sha256(folder / _MODEL),
            }
            write_json(folder / _MANIFEST, manifest)
        return target


def read_dump(folder: Path) -> StepDump:
    """Read a step from its dump.

    Raises:
        MissingInputError: there is no dump here.
        DataError: a file of it is damaged, or it is of another version.
    """
    manifest = _manifest(folder)
    if not (folder / _DUMP).is_file() or manifest.get("dump") != sha256(folder / _DUMP):
        raise _damaged(folder / _DUMP)
    if not (folder / _MODEL).is_dir() or manifest.get("model") != folder_sha256(folder / _MODEL):
        raise _damaged(folder / _MODEL)
    found = Checkpoints(folder / _STATE).latest()
    if found is None:
        raise _damaged(folder / _STATE)
    try:
        return _of_json(json.loads((folder / _DUMP).read_bytes()), found[1])
    except (ValidationError, TypeError, KeyError) as error:
        raise DataError(
            f"the dump was written by another version of this code: {_first_line(error)}",
            where=str(folder / _DUMP),
            fix="replay it with the commit that the run was made with",
        ) from error


def model_of_dump(
    folder: Path, thought: ThoughtConfig, adapters: LoraConfig
) -> tuple[PreTrainedModel, Codec]:
    """The model of a dump with weights yet to be restored, and its codec; fp32, on the CPU."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(folder / _MODEL)
    tokenizer = AutoTokenizer.from_pretrained(folder / _MODEL)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.eval()
    if adapters.rank:
        lora.attach(model, adapters, seed=0)
        model.load_state_dict(load_file(folder / _MODEL / _FROZEN), strict=False)
    return model, codec_of(model, tokenizer, thought)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        raise MissingInputError(
            "no dump here: a dump is a folder with a manifest.json",
            where=str(folder),
            fix="give the folder that the run named when it skipped the step",
        )
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path) from error
    written = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or written != FORMAT:
        raise DataError(
            f"this is no dump of a format that is known here: {written!r}, not {FORMAT!r}",
            where=str(path),
            fix="give the folder of a dump, and replay it with the commit of its run",
        )
    return manifest


def _to_json(step: StepDump) -> dict[str, Any]:
    return {
        "number": step.number,
        "seed": step.seed,
        "runtime": step.runtime,
        "settings": step.settings.model_dump(mode="json"),
        "thought": step.thought.model_dump(mode="json"),
        "texts": {
            "count": step.documents.length,
            "read": step.chosen,
            "kept": {str(index): _row(document) for index, document in step.documents.kept.items()},
        },
        "metrics": step.metrics,
    }


def _of_json(row: dict[str, Any], state: State) -> StepDump:
    documents = row["texts"]
    kept = {int(index): _document(document) for index, document in documents["kept"].items()}
    return StepDump(
        number=row["number"],
        seed=row["seed"],
        runtime=row["runtime"],
        settings=LearnerConfig.model_validate(row["settings"]),
        thought=ThoughtConfig.model_validate(row["thought"]),
        documents=DumpedDocuments(documents["count"], kept),
        chosen=documents["read"],
        state=state,
        metrics=row["metrics"],
    )


def _row(document: TokenizedDocument) -> dict[str, Any]:
    record = document.record
    return {**vars(document), "record": record and record.model_dump(mode="json")}


def _document(row: dict[str, Any]) -> TokenizedDocument:
    record = row["record"] and Document.model_validate(row["record"])
    return TokenizedDocument(**{**row, "record": record})


def _damaged(path: Path) -> DataError:
    return DataError(
        "the dump is damaged: these are not the bytes that were written",
        where=str(path),
        fix="copy the dump again from where the run wrote it, or replay another one",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
