"""Worlds as environments of Gymnasium: its checker passes, seeds decide, the verifier pays."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlp_core import environments
from rlp_core.data import procedural
from rlp_core.data.procedural_config import Procedural
from rlp_core.data.records import content_key, heldout
from rlp_core.environments import Environment
from rlp_core.errors import ConfigError, PluginError, RlpError, UsageError

gymnasium = pytest.importorskip("gymnasium", reason="the extra gym is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from rlp_core import gym  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SOLVED = environments.with_experts()
LETTERS = "-letters"
KINDS = pytest.mark.parametrize("kind", ["", LETTERS], ids=["whole", "letters"])
SEEDS = st.integers(0, 2**32 - 1)


def made(world: str, kind: str = "", /, **given: Any) -> Any:
    return gymnasium.make(f"rlp/{world}{kind}-v0", **given)


def task_of(world: str, prompt: str) -> tuple[Environment[Any, Any], Any]:
    """The world, and the task that a prompt asks about."""
    found = environments.get(world)
    assert isinstance(found, Environment)
    return found, found.parse(prompt)


def spelled(env: Any, text: str) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    """What the end of an answer brings that is written letter by letter."""
    alphabet = gym.arguments.PRINTABLE
    for letter in text:
        _, reward, terminated, truncated, _ = env.step(alphabet.index(letter))
        assert (reward, terminated, truncated) == (0.0, False, False)
    ended: tuple[Any, float, bool, bool, dict[str, Any]] = env.step(len(alphabet))
    return ended


@KINDS
@pytest.mark.parametrize("world", SOLVED)
def test_the_checker_of_gymnasium_passes_without_a_warning(world: str, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(world, kind, expert=True).unwrapped)
        check_env(made(world, kind, split="heldout", share=0.5).unwrapped)


def test_the_space_of_the_defaults_is_as_large_as_the_guide_says() -> None:
    env = made("nim", LETTERS)
    assert env.observation_space.shape == (15_360,)
    page = (ROOT / "docs" / "guides" / "worlds-in-gymnasium.md").read_text(encoding="utf-8")
    assert "has 15,360 numbers" in page


def test_the_ids_come_with_the_import_and_the_files_of_worlds_do_not() -> None:
    script = (
        "import sys, gymnasium\n"
        "from rlp_core import environments as e\n"
        "def loaded(): return {n for n in e.built_in() if f'{e.__name__}.{n}' in sys.modules}\n"
        "assert not [i for i in gymnasium.registry if i.startswith('rlp/')]\n"
        "gymnasium.make('rlp_core.gym:rlp/nim-v0')\n"
        "assert loaded() == {'nim'}, loaded()\n"
        "print(*[i for i in gymnasium.registry if i.startswith('rlp/')])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = {f"rlp/{name}{kind}-v0" for name in SOLVED for kind in ("", LETTERS)}
    assert set(done.stdout.split()) >= wanted


def test_what_was_made_is_told_as_json() -> None:
    env = made("arithmetic", LETTERS, max_terms=2, alphabet="0123456789")
    told = json.loads(env.spec.to_json())
    assert told["kwargs"] == {"world": "arithmetic", "max_terms": 2, "alphabet": "0123456789"}


@given(st.sampled_from(SOLVED), SEEDS)
def test_a_seed_alone_decides_the_task_and_those_after_it(world: str, seed: int) -> None:
    one, other = made(world), made(world)
    other.reset(seed=seed + 1)
    told = [env.reset(seed=seed)[0] for env in (one, other)]
    after = [env.reset()[0] for env in (one, other) for _ in range(3)]
    assert told[0] == told[1]
    assert after[:3] == after[3:]


def test_chance_goes_on_without_a_seed() -> None:
    env = made("nim")
    env.reset(seed=0)
    assert len({env.reset()[0] for _ in range(20)}) > 10
    assert made("nim").reset()[0] != made("nim").reset()[0]  # of 881 tasks and more


@given(st.sampled_from(SOLVED), SEEDS)
def test_the_expert_is_paid_either_way_and_the_same_task_is_asked(world: str, seed: int) -> None:
    whole, letters = made(world, expert=True), made(world, LETTERS, render_mode="ansi")
    prompt, info = whole.reset(seed=seed)
    _, silent = letters.reset(seed=seed)
    assert letters.render() == prompt
    found, task = task_of(world, prompt)
    solution = found.expert(task)
    assert info == {"steps": solution.steps, "answer": solution.answer}
    assert silent == {}
    assert whole.step(solution.answer) == (prompt, 1.0, True, False, {})
    _, reward, terminated, truncated, after = spelled(letters, solution.answer)
    assert (reward, terminated, truncated, after) == (1.0, True, False, {})
    assert letters.render() == prompt + solution.answer


@given(st.sampled_from(SOLVED), SEEDS, st.text(gym.arguments.PRINTABLE, max_size=16))
def test_what_is_paid_is_the_word_of_the_verifier(world: str, seed: int, answer: str) -> None:
    whole, letters = made(world), made(world, LETTERS)
    prompt, _ = whole.reset(seed=seed)
    letters.reset(seed=seed)
    found, task = task_of(world, prompt)
    right = float(found.verify(task, answer))
    assert whole.step(answer)[1] == spelled(letters, answer)[1] == right


def test_every_shortest_way_is_paid() -> None:
    env = made("navigation", rows=2, columns=2, walls=0, min_moves=2, max_moves=2)
    paid = []
    for answer in ("RD", "DR", "LU", "UL", "RU", "UR", "LD", "DL"):
        env.reset(seed=3)
        paid.append(env.step(answer)[1])
    assert sum(paid) == 2


@given(SEEDS, st.text("0123456789", max_size=3))
def test_the_observation_is_the_question_and_what_is_written(seed: int, text: str) -> None:
    letters = "0123456789+-"
    env = made(
        "arithmetic", LETTERS, letters=letters, longest_question=9, longest_answer=3,
        alphabet="0123456789", render_mode="ansi",
    )  # fmt: skip
    seen, _ = env.reset(seed=seed)
    for letter in text:
        seen, *_ = env.step(int(letter))
    assert seen.shape == env.observation_space.shape == ((9 + 3) * 12,)
    read = "".join(letters[row.argmax()] if row.any() else " " for row in seen.reshape(12, 12))
    assert seen.sum() == len(read.replace(" ", ""))
    assert f"Q: {read[:9].rstrip()}\nA:{read[9:].rstrip()}" == env.render()


def test_an_answer_of_full_length_can_be_ended_and_one_more_letter_truncates() -> None:
    given = {"min_terms": 2, "max_terms": 2, "longest_answer": 1, "alphabet": "0123456789"}
    env = made("arithmetic", LETTERS, expert=True, **given)
    _, info = env.reset(seed=1)
    assert env.step(int(info["answer"]))[1:4] == (0.0, False, False)
    assert env.step(10)[1:4] == (1.0, True, False)
    env.reset(seed=1)
    written, *_ = env.step(int(info["answer"]))
    seen, reward, terminated, truncated, _ = env.step(0)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert np.array_equal(seen, written)
    with pytest.raises(UsageError, match="the episode is over"):
        env.step(10)


@pytest.mark.parametrize("world", SOLVED)
def test_the_sides_of_the_split_have_no_task_in_common(world: str) -> None:
    keys: dict[str, set[str]] = {}
    for split in ("train", "heldout"):
        env = made(world, split=split, share=0.3)
        prompts = [env.reset(seed=seed)[0] for seed in range(40)]
        tasks = [task_of(world, prompt) for prompt in prompts]
        keys[split] = {content_key(found.key(task)) for found, task in tasks}
        assert {heldout(key, 0.3) for key in keys[split]} == {split == "heldout"}
    assert keys["train"].isdisjoint(keys["heldout"])


def test_what_is_trained_on_is_no_record_that_is_held_out() -> None:
    given = {"min_terms": 2, "max_terms": 2}
    source = Procedural.model_validate(
        {"kind": "procedural", "world": "arithmetic", "count": 40, **given}
    )
    made_records = procedural.records(source, part="problems", index=0, seed=0, share=0.3)
    held = {record.prompt for record in made_records}
    sides = {
        split: {env.reset(seed=seed)[0] for seed in range(600)}
        for split in ("all", "train", "heldout")
        for env in [made("arithmetic", split=split, share=0.3, **given)]
    }
    assert held <= sides["heldout"]  # of 200 questions some 60 are held out: 600 draws bring them
    assert held & sides["train"] == set()
    assert held & sides["all"]


def test_many_of_them_run_side_by_side() -> None:
    whole = gymnasium.make_vec("rlp/nim-v0", num_envs=3, expert=True)
    prompts, infos = whole.reset(seed=5)
    assert prompts == tuple(made("nim").reset(seed=seed)[0] for seed in (5, 6, 7))
    assert whole.step(list(infos["answer"]))[1].tolist() == [1.0] * 3
    letters = gymnasium.make_vec("rlp/nim-letters-v0", num_envs=3)
    seen, _ = letters.reset(seed=5)
    assert seen.shape == (3, *letters.single_observation_space.shape)
    assert letters.step(np.array([95, 95, 95]))[2].tolist() == [True] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"largst": 9}, "`largst` = 9: unknown key; did you mean `largest`?"),
        ({"splt": "all"}, "unknown key; did you mean `split`?"),
        ({"largest": 1000}, "less than or equal to 63"),
        ({"largest": "many"}, "valid integer"),
        ({"min_heaps": 4, "max_heaps": 2}, "`min_heaps` must not exceed"),
        ({"split": "test"}, "'all', 'train' or 'heldout'"),
        ({"share": 2.0}, "less than or equal to 1"),
        ({"split": "heldout", "share": 0.0}, "no task lies on the side 'heldout'"),
        ({"split": "train", "share": 1.0}, "no task lies on the side 'train'"),
        ({"longest_answer": 0}, "greater than or equal to 1"),
        ({"letters": ""}, "some letters, each of them once"),
        ({"letters": "abb"}, "some letters, each of them once"),
        ({"worked": 1.0}, "`worked` is of records"),
        ({"largst": 9, "share": 2.0}, "`share` = 2.0"),
    ],
)
@KINDS
def test_a_bad_argument_is_told(given: dict[str, Any], said: str, kind: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made("nim", kind, **given)
    assert said in raised.value.what
    assert "nim" in raised.value.where


@pytest.mark.parametrize("alphabet", ["", "00", "0\u00e9"])
def test_an_alphabet_is_some_of_the_letters(alphabet: str) -> None:
    with pytest.raises(ConfigError, match="some of `letters`, each of them once"):
        made("nim", LETTERS, alphabet=alphabet)


def test_whole_answers_have_no_alphabet() -> None:
    with pytest.raises(ConfigError, match="`alphabet` = 'ab': unknown key"):
        made("nim", alphabet="ab")


def test_a_world_that_is_not_there_or_asks_nothing_is_told() -> None:
    with pytest.raises(gymnasium.error.NameNotFound, match="`nim"):
        gymnasium.make("rlp/nmi-v0")
    with pytest.raises(ConfigError, match="did you mean `nim`"):
        gym.WholeAnswer("nmi")
    for kind in ("", LETTERS):
        with pytest.raises(ConfigError, match="`occupations` asks nothing"):
            made("occupations", kind)


@pytest.mark.parametrize(
    ("kind", "action"),
    [("", 3), ("", "\u00e9"), ("", "x" * 257), (LETTERS, 96), (LETTERS, -1), (LETTERS, "3")],
)
def test_an_action_outside_the_space_is_told_and_ends_nothing(kind: str, action: Any) -> None:
    env = made("nim", kind)
    env.reset(seed=0)
    with pytest.raises(UsageError, match="an action outside the space"):
        env.step(action)
    assert env.step(env.action_space.sample())[3] is False


@pytest.mark.parametrize(
    ("given", "said", "fix"),
    [
        ({"longest_question": 5}, "letters of question, and 5 fit", "raise `longest_question`"),
        ({"longest_answer": 5}, "letters of answer, and 5 fit", "raise `longest_answer`"),
        ({"letters": "takefrom 0123456789"}, "the question of a task holds", "in `letters`"),
        ({"alphabet": "takefrom"}, "the answer of a task holds", "in `alphabet`"),
    ],
)
def test_a_task_that_does_not_fit_is_told(given: dict[str, Any], said: str, fix: str) -> None:
    env = made("nim", LETTERS, **given)
    with pytest.raises(ConfigError) as raised:
        env.reset(seed=0)
    assert said in raised.value.what
    assert fix in raised.value.fix
    with pytest.raises(RlpError, match="none was asked"):
        env.unwrapped.step(0)


def test_a_side_without_tasks_is_told() -> None:
    env = made("arithmetic", min_terms=2, max_terms=2, split="heldout", share=1e-9)
    with pytest.raises(ConfigError, match="no task on the side 'heldout'"):
        env.reset(seed=0)


def test_options_and_other_renderings_are_refused() -> None:
    with pytest.raises(ConfigError, match="reset takes no options"):
        made("nim").reset(options={"largest": 3})
    with pytest.raises(ConfigError, match="no rendering but `ansi`"):
        gym.LetterByLetter("nim", render_mode="human")
    for env in (gym.WholeAnswer("nim"), gym.WholeAnswer("nim", render_mode="ansi")):
        with pytest.raises(UsageError, match="nothing to render"):
            env.render()


def test_a_world_whose_setting_is_an_argument_already_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nim = environments.get("nim")

    class Clashing(nim.settings):  # type: ignore[name-defined,misc]
        split: int = 2

    monkeypatch.setattr(nim, "settings", Clashing, raising=False)
    with pytest.raises(PluginError, match="has a setting `split`"):
        made("nim")
