"""Every wrong word on a command line gets one line that names it, and docker's exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringfence.cli import run_options, verbs
from ringfence.cli.main import main
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

WORDS = [(word,) for word in verbs.ALONE] + [
    (group, word) for group, (_, modules) in verbs.GROUPS.items() for word in modules
]


def verb_of(words: tuple[str, ...]) -> Verb:
    return verbs.load(verbs.ALONE[words[0]] if len(words) == 1 else verbs.GROUPS[words[0]][1][words[1]])


def flags_of_kind(*kinds: str) -> list[tuple[tuple[str, ...], Flag]]:
    return [(words, flag) for words in WORDS for flag in verb_of(words).flags if flag.kind in kinds]


class Refused:
    """What a refused command line printed and with which status it ended."""

    def __init__(self, status: int, line: str) -> None:
        self.status = status
        self.line = line


Run = Callable[..., Refused]
Words = tuple[str, ...]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line that must be refused in one line on stderr."""

    def run(*words: str) -> Refused:
        status = main(["--root", str(tmp_path / "root"), "--state", str(tmp_path / "state"), *words])
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ringfence: ")
        assert err.count("\n") == 1 and err.endswith("\n"), err
        return Refused(status, err.removeprefix("ringfence: ").rstrip("\n"))

    return run


@pytest.mark.parametrize("words", [("frob",), ("container", "frob"), ("volume", "frob"), ("image", "frob")])
def test_an_unknown_verb_is_1(refused: Run, words: Words) -> None:
    answer = refused(*words)

    assert answer.status == 1
    assert answer.line.startswith(f"unknown command: ringfence {' '.join(words)} (see 'ringfence")


@pytest.mark.parametrize("words", [("--frob",), ("-z", "ps"), ("--root",), ("--debug=maybe", "ps")])
def test_a_wrong_global_flag_is_125(refused: Run, words: Words) -> None:
    assert refused(*words).status == 125


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_an_unknown_flag_is_125(refused: Run, words: Words) -> None:
    answer = refused(*words, "--frob")

    assert answer.status == 125
    assert answer.line == f"unknown flag: --frob (see 'ringfence {' '.join(words)} --help')"


@pytest.mark.parametrize("words", [words for words in WORDS if verb_of(words).least], ids=" ".join)
def test_too_few_operands_are_1(refused: Run, words: Words) -> None:
    answer = refused(*words, *["x"] * (verb_of(words).least - 1))

    assert answer.status == 1
    assert answer.line.startswith(f"'ringfence {' '.join(words)}' requires ")


@pytest.mark.parametrize("words", [words for words in WORDS if verb_of(words).most < MANY], ids=" ".join)
def test_too_many_operands_are_1(refused: Run, words: Words) -> None:
    answer = refused(*words, *["x"] * (verb_of(words).most + 1))

    assert answer.status == 1
    assert "argument" in answer.line


@pytest.mark.parametrize(("words", "flag"), flags_of_kind("value", "int", "list"), ids=str)
def test_a_flag_without_its_value_is_125(refused: Run, words: Words, flag: Flag) -> None:
    answer = refused(*words, f"--{flag.name}")

    assert answer.status == 125
    assert answer.line.startswith(f"flag needs an argument: --{flag.name} ")


@pytest.mark.parametrize(("words", "flag"), flags_of_kind("flag"), ids=str)
def test_a_switch_that_is_neither_on_nor_off_is_125(refused: Run, words: Words, flag: Flag) -> None:
    answer = refused(*words, f"--{flag.name}=maybe", "x", "x")

    assert answer.status == 125
    assert answer.line.startswith(f'invalid argument "maybe" for "{flag.shown}" flag')


@pytest.mark.parametrize(("words", "flag"), flags_of_kind("int"), ids=str)
def test_a_number_that_is_none_is_125(refused: Run, words: Words, flag: Flag) -> None:
    answer = refused(*words, f"--{flag.name}", "x", "x")

    assert answer.status == 125
    assert answer.line.startswith(f'invalid argument "x" for "{flag.shown}" flag')


@pytest.mark.parametrize("words", [words for words, flag in flags_of_kind("list") if flag.name == "filter"])
def test_a_filter_without_equals_sign_is_125(refused: Run, words: Words) -> None:
    assert refused(*words, "--filter", "x").status == 125


@pytest.mark.parametrize("words", [("ps",), ("images",), ("volume", "ls"), ("events",), ("stats",)], ids=" ".join)
def test_a_wrong_template_is_1(refused: Run, words: Words) -> None:
    answer = refused(*words, "--format", "{{.ID")

    assert answer.status == 1
    assert answer.line == "failed to parse template: template: :1: unclosed action"


# For every option of run that takes a value: one that cannot be right, on any machine.
WRONG = {
    "add-host": "x", "annotation": "=x", "attach": "stdin", "blkio-weight": "5", "blkio-weight-device": "x",
    "cap-add": "FROB", "cap-drop": "FROB", "cgroupns": "x", "cpu-period": "x", "cpu-quota": "x",
    "cpu-rt-period": "1", "cpu-rt-runtime": "1", "cpu-shares": "x", "cpus": "x", "cpuset-cpus": "a-b",
    "cpuset-mems": "1-", "detach-keys": "frob", "device": "relative", "device-cgroup-rule": "x", "device-read-bps": "x",
    "device-read-iops": "x", "device-write-bps": "x", "device-write-iops": "x", "dns": "x", "dns-option": "",
    "dns-search": "a b", "domainname": "a b", "env": "=x", "env-file": "/none", "expose": "x", "gpus": "all",
    "group": "a b", "group-add": "", "health-interval": "x", "health-retries": "x", "health-start-interval": "x",
    "health-start-period": "x", "health-timeout": "x", "hostname": "a b", "ip": "10.0.0", "ip6": "10.0.0.1", "ipc": "x",
    "isolation": "x", "label": "=x", "label-file": "/none", "link": "x", "link-local-ip": "x", "log-driver": "x",
    "log-opt": "x", "mac-address": "x", "memory": "64q", "memory-reservation": "x", "memory-swap": "x",
    "memory-swappiness": "101", "mount": "x", "name": "!", "network": "frob nicate", "network-alias": "-x",
    "network-burst": "1", "network-egress": "50mb", "network-ingress": "x", "oom-score-adj": "9999", "pid": "x",
    "pids-limit": "x", "platform": "/", "publish": "80:", "pull": "x", "restart": "x", "runtime": "x",
    "security-opt": "x", "shm-size": "x", "stop-signal": "FROB", "stop-timeout": "x", "storage-opt": "x", "sysctl": "x",
    "timeout": "x", "tmpfs": "relative", "ulimit": "x", "user": "a:b:c", "userns": "x", "uts": "x", "volume": "a:b:c:d",
    "volume-driver": "x", "volumes-from": "", "workdir": "relative",
}  # fmt: skip
ANYTHING = {"cgroup-parent", "cidfile", "entrypoint", "health-cmd", "pidfile"}  # of which any text may be right


def test_every_option_that_takes_a_value_has_a_wrong_one_here() -> None:
    assert WRONG.keys() | ANYTHING == {flag.name for flag in run_options.flags() if flag.kind != "flag" and flag.doc}


@pytest.mark.parametrize(
    ("verb", "name"),
    [(verb, flag.name) for verb in ("run", "create") for flag in verbs.load(verb).flags if flag.name in WRONG],
)
def test_a_wrong_value_of_an_option_is_125(refused: Run, verb: str, name: str) -> None:
    answer = refused(verb, f"--{name}={WRONG[name]}", "host", "true")

    assert answer.status == 125
    assert f"--{name}" in answer.line


@pytest.mark.parametrize("flag", verbs.load("update").flags, ids=str)
def test_a_wrong_limit_for_update_is_125(refused: Run, flag: Flag) -> None:
    wrong = {**WRONG, "publish-add": "80:", "publish-rm": "x", "mount-add": "x", "volume-add": "a:b:c:d",
             "mount-rm": "x"}  # fmt: skip
    answer = refused("update", f"--{flag.name}", wrong[flag.name], "x")

    assert answer.status == 125
    assert f"--{flag.name}" in answer.line


# What is wrong for a verb in other ways, with docker's exit code.
OTHER = [
    (["inspect", "--type", "frob", "x"], 1, 'unknown type: "frob"'),
    (["cp", "a", "b"], 1, "must specify at least one container source"),
    (["cp", "a:b", "c:d"], 1, "copying between containers is not supported"),
    (["start"], 1, "'ringfence start' requires at least 1 argument"),
    (["start", "-a"], 1, "'ringfence start' requires at least 1 argument"),
    (["stop"], 1, "'ringfence stop' requires at least 1 argument"),
    (["start", "--all", "x"], 1, "--all and --filter choose the containers"),
    (["stop", "--filter", "restart-policy=sometimes"], 1, '--filter: restart-policy: "sometimes" is none'),
    (["start", "-a", "x", "y"], 1, "you cannot start and attach multiple containers at once"),
    (["run", "-it", "host"], 1, "the input device is not a TTY"),
    (["save", "--format", "x", "host"], 125, 'invalid argument "x" for "--format" flag'),
    (["import", "http://example.com/x.tar"], 1, "importing from a URL is not built yet"),
    (["import", "/none.tar"], 1, "/none.tar: No such file or directory"),
    (["load", "-i", "/none.tar"], 1, "no such file: /none.tar"),
    (["load", "-i", "/etc/passwd"], 1, "/etc/passwd: tar archive, first entry"),
    (["run", "--publish", "99999:80", "host"], 125, "--publish"),
    (["run", "--publish-all", "--network", "none", "host"], 125, "--publish-all"),
    (["run", "--rm", "--restart", "always", "host"], 125, "--rm"),
    (["attach", "--detach-keys", "x,frob", "x"], 125, 'unknown key "frob"'),
]


@pytest.mark.parametrize(("words", "status", "text"), OTHER, ids=lambda value: str(value)[:40])
def test_what_else_can_be_wrong(refused: Run, words: Words, status: int, text: str) -> None:
    answer = refused(*words)

    assert answer.status == status
    assert text in answer.line


UNKNOWN = [
    ["attach", "nope"], ["commit", "nope"], ["cp", "nope:/x", "/tmp/x"], ["diff", "nope"], ["exec", "nope", "true"],
    ["explain", "nope"], ["export", "-o", "/dev/null", "nope"], ["inspect", "--format", "x", "nope"], ["kill", "nope"],
    ["logs", "nope"], ["pause", "nope"], ["rename", "nope", "some"], ["restart", "nope"], ["rm", "nope"],
    ["start", "nope"], ["start", "-a", "nope"], ["stop", "nope"], ["top", "nope"], ["unpause", "nope"],
    ["update", "--memory", "64m", "nope"], ["wait", "nope"], ["stats", "--no-stream", "nope"],
    ["container", "inspect", "--format", "x", "nope"],
    ["history", "nope"], ["rmi", "nope"], ["save", "-o", "/dev/null", "nope"], ["tag", "nope", "some"],
    ["image", "inspect", "--format", "x", "nope"],
    ["volume", "inspect", "--format", "x", "nope"], ["volume", "rm", "nope"],
]  # fmt: skip


@pytest.mark.parametrize("words", UNKNOWN, ids=" ".join)
def test_an_unknown_container_image_or_volume_is_1(refused: Run, words: Words) -> None:
    answer = refused(*words)

    assert answer.status == 1
    assert "nope" in answer.line


@pytest.mark.parametrize(("verb", "status"), [("run", 125), ("create", 1)])
def test_an_unknown_image_is_125_for_run(refused: Run, verb: str, status: int) -> None:
    answer = refused(verb, "--pull", "never", "none")

    assert answer.status == status
    assert "none" in answer.line


@pytest.mark.parametrize("reference", ["", "UPPER", "a b", "x:"])
def test_a_wrong_reference_is_125_for_run(refused: Run, reference: str) -> None:
    assert refused("run", reference).status == 125
