"""The grammar of a verb's command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.cli.parser import Arguments, Flag, HelpWanted, UsageError, parse

FLAGS = (
    Flag("interactive", "", "i"),
    Flag("tty", "", "t"),
    Flag("init", ""),
    Flag("sig-proxy", "", default=True),
    Flag("env", "", "e", "list"),
    Flag("memory", "", "m", "value", metavar="bytes"),
    Flag("last", "", "n", "int", default=-1),
    Flag("network", "", kind="value"),
    Flag("net", "", kind="value", alias_of="network"),
)


def program(*words: str) -> Arguments:
    return parse(FLAGS, words, interspersed=False)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["-it"], {"interactive": True, "tty": True}),
        (["-itm64m"], {"interactive": True, "tty": True, "memory": "64m"}),
        (["-m", "64m"], {"memory": "64m"}),
        (["-m=64m"], {"memory": "64m"}),
        (["--memory=64m"], {"memory": "64m"}),
        (["--memory", "64m", "--memory", "1g"], {"memory": "1g"}),
        (["--memory="], {"memory": ""}),
        (["--memory", "--init"], {"memory": "--init"}),
        (["-e", "A=1", "--env=B=2", "-eC=3", "-e=D=4"], {"env": ["A=1", "B=2", "C=3", "D=4"]}),
        (["--init=false", "-i=0", "--tty=T"], {"init": False, "interactive": False, "tty": True}),
        (["-n", "-3"], {"last": -3}),
        (["--net", "none"], {"network": "none"}),
    ],
)
def test_flags_are_written_as_for_docker(words: list[str], given: dict[str, object]) -> None:
    assert program(*words, "image").given == given


def test_the_image_ends_the_flags_of_a_verb_that_runs_a_program() -> None:
    assert program("-i", "image", "-t", "--init").operands == ["image", "-t", "--init"]


def test_flags_and_operands_mix_in_other_verbs() -> None:
    arguments = parse(FLAGS, ["a", "-i", "b", "--", "-t"])

    assert arguments.operands == ["a", "b", "-t"]
    assert arguments.given == {"interactive": True}


def test_a_dash_is_an_operand() -> None:
    assert parse(FLAGS, ["-", "-i"]).operands == ["-"]


def test_what_was_not_given_has_its_default() -> None:
    arguments = program("image")

    assert arguments.on("sig-proxy")
    assert not arguments.on("init")
    assert arguments.number("last") == -1
    assert arguments.text("memory") == ""
    assert arguments.many("env") == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--frob"], "unknown flag: --frob"),
        (["--frob=1"], "unknown flag: --frob"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-itz"], "unknown shorthand flag: 'z' in -itz"),
        (["--memory"], "flag needs an argument: --memory"),
        (["-im"], "flag needs an argument: 'm' in -im"),
        (["--=x"], "bad flag syntax: --=x"),
        (["---init"], "bad flag syntax: ---init"),
        (["--init=maybe"], 'invalid argument "maybe" for "--init" flag: neither true nor false'),
        (["-n", "x"], 'invalid argument "x" for "-n, --last" flag: not a whole number'),
    ],
)
def test_a_wrong_flag_is_named_in_docker_s_words(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        program(*words)

    assert raised.value.what == complaint
    assert raised.value.status == 125


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_asked_for_by_flag(word: str) -> None:
    with pytest.raises(HelpWanted):
        program("-i", word)


@given(st.lists(st.text("-=eimntx ", max_size=5), max_size=6))
def test_any_words_are_sorted_or_refused(words: list[str]) -> None:
    # Invariant: words become flags and operands, or UsageError or HelpWanted; nothing is lost: what follows the first
    # operand is kept as it is, and no operand is invented.
    try:
        arguments = program(*words)
    except (UsageError, HelpWanted):
        return
    assert arguments.operands == words[len(words) - len(arguments.operands) :]
    assert set(arguments.given) <= {flag.name for flag in FLAGS}
