"""docs/guides/library.md, run block after block: it does what it says, and draws its figures."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.guides.library import GUIDE, blocks, follow

FIGURES = re.findall(r"!\[[^\]]+\]\((figures/[\w-]+\.svg)\)", GUIDE.read_text(encoding="utf-8"))
PHONE = 390  # pixels


class Followed:
    """What a run of the guide leaves.

    Attributes:
        folder: where it ran.
        names: its variables.
        said: what it printed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.names: dict[str, Any] = follow(GUIDE, folder)
        self.said = printed.getvalue()

    def mean(self, model: str) -> tuple[float, float, float]:
        """Mean gain and its interval, as printed."""
        found = re.search(rf"^{model} +(\S+) \[(\S+), (\S+)\]$", self.said, re.M)
        assert found, self.said
        mean, low, high = (float(number) for number in found.groups())
        return mean, low, high


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    threads = torch.get_num_threads()
    yield Followed(tmp_path_factory.mktemp("library"))
    torch.set_num_threads(threads)


def test_the_figures_of_the_page_are_there_and_fit_a_phone() -> None:
    assert len(FIGURES) == 2
    for name in FIGURES:
        text = (GUIDE.parent / name).read_text(encoding="utf-8")
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', text)
        assert width
        assert float(width.group(1)) * 4 / 3 <= PHONE  # shown in full size: text is not shrunk
        assert "dc:date" not in text


def test_every_block_is_python_and_its_names_are_public() -> None:
    for block in blocks(GUIDE):
        compile(block, str(GUIDE), "exec")
    imported = re.findall(r"^from (rlp_core[\w.]*) import", "\n".join(blocks(GUIDE)), re.M)
    assert set(imported) == {"rlp_core"}


@pytest.mark.e2e
@pytest.mark.timeout(1200)
class TestTheGuide:
    """One run of all blocks; what the page claims of it holds."""

    def test_thinking_pays_on_texts_that_were_not_trained_on(self, followed: Followed) -> None:
        mean, low, high = followed.mean("taught")
        assert low < mean < high
        trained, surely, _ = followed.mean("trained")
        assert surely > high
        assert trained > 1.5  # of log 7 = 1.95
        before, after = followed.names["before"], followed.names["after"]
        assert after["heldout_thought_tokens"] > before["heldout_thought_tokens"]
        assert abs(after["heldout_direct"]) < 0.1

    def test_a_random_start_learns_nothing(self, followed: Followed) -> None:
        assert abs(followed.names["nothing"]["heldout_information_gain"]) < 0.5

    def test_the_figures_are_drawn_the_same_twice(self, followed: Followed) -> None:
        drawn = sorted(path.name for path in (followed.folder / "figures").iterdir())
        assert [f"figures/{name}" for name in drawn] == sorted(FIGURES)
        path = followed.folder / "figures" / "learning-curve.svg"
        once = path.read_bytes()
        with contextlib.chdir(followed.folder):
            followed.names["curves"]({"taught": followed.names["curve"].rows}, path.name)
        assert path.read_bytes() == once

    def test_a_resumed_run_ends_with_the_same_bytes(self, followed: Followed) -> None:
        assert len(followed.names["same"]) > 20
        assert all(followed.names["same"])
        assert "goes on after step 3 of 6, from a checkpoint" in followed.said

    def test_the_saved_model_thinks_and_answers_rightly(self, followed: Followed) -> None:
        names = followed.names
        chain = names["unseen"][0]
        thinks = f"{names['workings'](chain)}</think>{names['answer'](chain)}\n<end>"
        assert followed.said.rstrip("\n").endswith(thinks)
        saved = AutoModelForCausalLM.from_pretrained(followed.folder / "thinking")
        weights = zip(saved.parameters(), names["trainer"].model.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in weights)
