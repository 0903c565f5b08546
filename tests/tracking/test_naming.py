"""Names and values as MLflow takes them: asked of MLflow's own checks and of a real store."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.entities import Param
from mlflow.utils import validation

from rlp_core.tracking.naming import (
    NAME_LENGTH,
    PARAMETER_LENGTH,
    acceptable_model_name,
    acceptable_name,
    acceptable_text,
)

ODD = st.text(st.characters(), max_size=300)  # surrogates too: file names hold them
PATHS = st.lists(st.sampled_from(["..", ".", "", "corpus (v2)", "a?", "ä", "[x]"])).map("/".join)
LIKED = st.text(string.ascii_letters + "_-.", min_size=1, max_size=20).filter(
    lambda name: name.strip(".")
)


@given(st.one_of(ODD, PATHS))
@example("")
@example("a\n")
@example("dvc.dep.../../corpus.md5")
@example("x" * 251)
def test_mlflow_takes_every_acceptable_name(name: str) -> None:
    accepted = acceptable_name(name)
    validation._validate_metric(accepted, 1.0, 0, 0)
    validation._validate_param(accepted, "")
    validation._validate_tag(accepted, "")
    assert len(accepted) <= NAME_LENGTH
    assert "\n" not in accepted
    assert acceptable_name(accepted) == accepted


@given(st.one_of(ODD, PATHS), st.one_of(ODD, PATHS))
@example("a?", "a!")
@example("a?", "a_")
@example("a/../b", "a/__/b")
def test_two_names_stay_two(one: str, other: str) -> None:
    assert (acceptable_name(one) == acceptable_name(other)) == (one == other)
    assert (acceptable_model_name(one) == acceptable_model_name(other)) == (one == other)


@given(st.lists(LIKED, min_size=1, max_size=4).map("/".join))
@example("dvc.dep.data/validated/rlp.jsonl.md5")
@example("rlp.reuse.evaluate/rlp")
@example("with space: and colon")
def test_names_that_mlflow_likes_are_left_alone(name: str) -> None:
    assert acceptable_name(name) == name


@given(ODD)
@example("rlp-ft")
@example("a/b:c.d%\"'")
def test_mlflow_takes_every_acceptable_model_name(name: str) -> None:
    validation._validate_logged_model_name(acceptable_model_name(name))


def test_arms_keep_their_names() -> None:
    from rlp_core.arms import declared

    assert [acceptable_model_name(arm) for arm in declared().names] == list(declared().names)


@given(st.text(st.characters(), max_size=9000))
@example("x" * (PARAMETER_LENGTH + 1))
def test_values_fit_and_say_that_they_were_cut(value: str) -> None:
    held = acceptable_text(value, PARAMETER_LENGTH)
    held.encode()
    assert validation._validate_param("key", held) == Param("key", held)
    assert "\0" not in held
    if len(value) > PARAMETER_LENGTH:
        assert f"({len(value)} characters" in held


def test_credentials_are_not_held() -> None:
    assert acceptable_text("s3://key:secret@bucket/x", 100) == "s3://***@bucket/x"
