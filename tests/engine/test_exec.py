"""exec: another process in a running container, confined as its first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ringfence.errors import CannotExecute, Conflict, InvalidInput

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container


@pytest.fixture
def container(engine: Engine) -> Container:
    return engine.run("host", ["sleep", "60"], detach=True, env=["COLOUR=blue"], workdir="/tmp")


def test_it_returns_code_and_streams(container: Container) -> None:
    result = container.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


def test_it_reads_its_input(container: Container) -> None:
    assert container.exec(["cat"], input=b"x" * 200_000).stdout == b"x" * 200_000


def test_it_has_the_containers_environment_and_directory_and_what_is_added(container: Container) -> None:
    result = container.exec(["sh", "-c", "echo $COLOUR $SIZE $PWD"], env=["SIZE=9"])
    assert result.stdout == b"blue 9 /tmp\n"
    assert container.exec(["pwd"], workdir="/etc").stdout == b"/etc\n"


def test_another_user_has_no_capabilities_in_effect(container: Container) -> None:
    show = ["sh", "-c", "id -u; grep CapEff /proc/self/status"]
    uid, effective = container.exec(show, user="1000:1000").stdout.split(b"\n")[:2]
    assert (uid, int(effective.split()[1], 16)) == (b"1000", 0)


def test_privileged_gives_all_that_we_have(container: Container) -> None:
    show = ["grep", "CapEff", "/proc/self/status"]
    ordinary, privileged = (
        int(container.exec(show, privileged=value).stdout.split()[1], 16) for value in (False, True)
    )
    assert ordinary != privileged and ordinary & privileged == ordinary


def test_a_program_that_is_not_there_is_told(container: Container) -> None:
    with pytest.raises(CannotExecute, match="nope"):
        container.exec(["nope"])


@pytest.mark.parametrize(
    ("option", "value"), [("memory", "1m"), ("nonsense", "1"), ("user", "-1"), ("workdir", "relative")]
)
def test_wrong_options_are_refused(container: Container, option: str, value: str) -> None:
    chosen: dict[str, Any] = {option: value}
    with pytest.raises(InvalidInput):
        container.exec(["true"], **chosen)


def test_only_a_running_container_takes_it(container: Container) -> None:
    container.pause()
    with pytest.raises(Conflict, match="is paused, not running"):
        container.exec(["true"])
    container.unpause()
    container.stop(timeout=0)
    with pytest.raises(Conflict, match="is exited, not running"):
        container.exec(["true"])
