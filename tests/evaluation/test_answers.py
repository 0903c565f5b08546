import pytest

from rlp_core.evaluation.answers import first_line, is_right, number


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("72", "72"),
        ("1,000", "1000"),
        ("$5.", "5"),
        ("0.5", "1/2"),
        (" blue ", "blue"),
        ("7", "7.0"),
    ],
)
def test_equal_answers_are_right(answer, expected):
    assert is_right(answer, expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("292 legs", "292"),
        ("7</think>", "7"),
        ("", "7"),
        ("blue", "red"),
        ("17", "7"),
        ("1/0", "0"),
    ],
)
def test_no_partial_credit(answer, expected):
    assert not is_right(answer, expected)


def test_an_answer_ends_with_its_line_or_with_the_text():
    assert first_line("7\nQ: 3+4") == "7"
    assert first_line(" 7<|endoftext|>8", "<|endoftext|>") == "7"
    assert first_line("") == ""
    assert number("seven") is None
