"""The arms' declaration: what it holds, and what is told of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlp_core.arms import INK, PATH, declared
from rlp_core.errors import ConfigError, MissingInputError

ARMS = declared()


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    tree = yaml.safe_load(PATH.read_text())
    change(tree)
    path = tmp_path / "arms.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def test_the_arms_of_the_project() -> None:
    assert ARMS.base == "base"
    assert ARMS.pretrained == ("base", "bootstrap", "cpt", "rlp")
    assert ARMS.starts == ("bootstrap", "cpt", "rlp")
    assert ARMS.names == (*ARMS.pretrained, *(f"{arm}-ft" for arm in ARMS.starts))
    assert ("rlp", "cpt") in [(arm, other) for arm, other, _ in ARMS.pairs]


def test_a_fine_tuned_arm_has_its_parents_colour_and_no_two_others_share_one() -> None:
    for arm in ARMS.all:
        assert arm.colour == ARMS[arm.parent or arm.name].colour or not arm.finetuned
    shades = [shade for c in ARMS.colours.values() for shade in (c.light, c.dark)]
    assert len(set(shades)) == len(shades)
    assert not set(shades) & set(INK.values())


def test_arm_of_a_stage() -> None:
    for stage, arm in {
        "rlp": "rlp",
        "evaluate@cpt-ft": "cpt-ft",
        "finetune@rlp": "rlp-ft",
        "rlvr@rlp": "rlp-ft",
    }.items():
        found = ARMS.of_stage(stage)
        assert found is not None
        assert found.name == arm
    assert ARMS.of_stage("compare") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["arms"]["cpt"].update(parent="bootstrp"), "did you mean `bootstrap`"),
        (lambda t: t["arms"]["rlp"]["pairs"].update(cppt="why"), "did you mean `cpt`"),
        (lambda t: t["arms"]["rlp"].update(headlines=["cpd"]), "did you mean `cpt`"),
        (lambda t: t["arms"]["rlp"].update(lable="x"), "did you mean `label`"),
        (lambda t: t["arms"]["rlp"].pop("label"), "Field required"),
        (lambda t: t["arms"]["rlp"].update(colour=t["arms"]["cpt"]["colour"]), "of arm 'cpt'"),
        (lambda t: t["arms"]["rlp"]["colour"].update(light=INK["direct"]), "'direct'"),
        (lambda t: t["arms"]["rlp"]["colour"].update(light="green"), "pattern"),
        (lambda t: t["arms"]["rlp"].pop("colour"), "needs a colour"),
        (
            lambda t: t["arms"]["rlp-ft"].update(colour={"light": "#000001", "dark": "#000002"}),
            "par",
        ),
        (lambda t: t["arms"]["rlp"].update(stage="cpt"), "both name the stage"),
        (lambda t: t["arms"]["rlp"]["pairs"].pop("base"), "not compared with 'base'"),
        (lambda t: t["arms"]["rlp"].pop("parent"), "has no parent"),
        (lambda t: t["arms"]["base"].update(parent="rlp"), "is the first"),
        (lambda t: t["arms"].pop("rlp-ft"), "not declared"),
        (lambda t: t["finetuned"].append("rlq"), "did you mean `rlp`"),
        (lambda t: t["finetuned"].append("rlp"), "named twice"),
        (lambda t: t["finetuned"].remove("rlp"), "fine-tuned"),
        (lambda t: t["arms"].update({"../x": t["arms"]["rlp"]}), "pattern"),
        (lambda t: t.clear(), "Field required"),
    ],
)
def test_a_wrong_declaration_is_told(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=r"rlp_core/arms\.yaml") as caught:
        declared(changed(tmp_path, change))
    assert said in str(caught.value)


def test_a_name_twice_and_no_yaml_are_told(tmp_path: Path) -> None:
    path = tmp_path / "arms.yaml"
    path.write_text(PATH.read_text().replace("  cpt:\n", "  rlp:\n", 1))
    with pytest.raises(ConfigError, match="'rlp' stands twice"):
        declared(path)
    broken = tmp_path / "broken.yaml"
    broken.write_text("arms: {")
    with pytest.raises(ConfigError, match="not YAML"):
        declared(broken)
    with pytest.raises(MissingInputError, match="no arms"):
        declared(tmp_path / "absent.yaml")


def test_an_unknown_arm_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `rlp`"):
        ARMS["rlpp"]
