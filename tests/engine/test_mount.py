"""Mounts that come and go while a container runs: update --mount-add, --volume-add and --mount-rm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine import places
from ringfence.errors import Conflict, Failed, InvalidInput, NotFound, RingfenceError, Unsupported
from ringfence.linux import mountinfo
from tests import needs
from tests.runtime.peers import NAMES, program

if TYPE_CHECKING:
    from ringfence import Engine


@pytest.fixture
def source(engine: Engine) -> Path:
    """A directory of the host with a file in it, which other users' containers may reach."""
    directory = Path(engine.root).parent
    directory.chmod(0o711)
    made = directory / "source"
    made.mkdir()
    (made / "file").write_text("of the host\n")
    return made


def begin(engine: Engine, **options: Any) -> None:
    engine.run("host", ["sleep", "600"], name="box", detach=True, network="none", **options)


def say(engine: Engine, script: str) -> str:
    """What the script prints in the container, errors and all, in one line."""
    result = engine.exec("box", ["sh", "-c", f"exec 2>&1; {script}"])
    return " ".join(result.stdout.decode().split())


def targets(engine: Engine) -> list[str]:
    """What the container has mounted, but for what every container has."""
    pid = engine.inspect("box")["State"]["Pid"]
    every = ("/", "/proc", "/dev", "/sys", "/etc")
    return [
        entry.target
        for entry in mountinfo.read(pid)
        if entry.target not in every and not entry.target.startswith(tuple(f"{one}/" for one in every[1:]))
    ]


def recorded(engine: Engine) -> list[str]:
    return [mount["Destination"] for mount in engine.inspect("box")["Mounts"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_bind_is_there_at_once_is_kept_by_a_restart_and_goes_without_a_trace(
    engine: Engine, source: Path, name: str
) -> None:
    needs.root()
    if name != "ringrun":
        needs.program(name)
    begin(engine, runtime=program(name, Path(engine.root).parent))
    host = [repr(entry) for entry in mountinfo.read()]

    engine.update("box", mount_add=[f"type=bind,src={source},dst=/in/side", f"type=bind,src={source},dst=/look,ro"])

    assert say(engine, "cat /in/side/file; touch /in/side/new && echo made") == "of the host made"
    assert "Read-only" in say(engine, "touch /look/other")
    assert (source / "new").exists()
    assert recorded(engine) == ["/in/side", "/look"]
    assert [repr(entry) for entry in mountinfo.read()] == host

    engine.restart("box", timeout=0)
    assert say(engine, "cat /in/side/file") == "of the host"
    assert "Read-only" in say(engine, "touch /look/other")

    engine.update("box", mount_rm=["/in/side", "/look"])
    assert (targets(engine), recorded(engine), say(engine, "ls -A /in/side /look")) == ([], [], "/in/side: /look:")
    engine.restart("box", timeout=0)
    assert targets(engine) == []


def test_a_file_and_a_volume_are_mounted_as_well(engine: Engine, source: Path) -> None:
    begin(engine)

    engine.update("box", volume_add=[f"{source}/file:/etc/passwd:ro", "data:/usr/share/data"])

    assert say(engine, "cat /etc/passwd; touch /usr/share/data/kept") == "of the host"
    assert engine.volume_inspect("data")["Name"] == "data"
    with pytest.raises(Conflict, match="in use"):
        engine.volume_rm("data")
    engine.update("box", mount_rm=["/etc/passwd", "/usr/share/data"])
    assert say(engine, "grep -c root /etc/passwd; ls /usr/share/data") == "1"


def test_a_volume_of_a_container_with_ids_of_its_own_has_those_inside(engine: Engine, source: Path) -> None:
    begin(engine, userns="auto")

    engine.update("box", volume_add=["data:/data", f"{source}:/host/dir:ro"])

    assert say(engine, "touch /data/mine; stat -c %u /data/mine /host; cat /host/dir/file") == "0 0 of the host"
    assert os.stat(f"{engine.root}/volumes/data/_data/mine").st_uid == 0
    engine.update("box", mount_rm="/data")
    assert targets(engine) == ["/host/dir"]


def test_of_a_container_that_does_not_run_the_next_start_has_them(engine: Engine, source: Path) -> None:
    engine.create("host", ["cat", "/in/side/file"], name="box", network="none", volume=f"{source}:/old")

    engine.update("box", mount_add=f"type=bind,src={source},dst=/in/side", mount_rm="/old")

    assert recorded(engine) == ["/in/side"]
    engine.start("box")
    assert engine.wait("box") == 0


def test_a_frozen_container_gets_its_mount_too(engine: Engine, source: Path) -> None:
    begin(engine)
    engine.pause("box")
    engine.update("box", volume_add=f"{source}:/in/side")
    engine.unpause("box")

    assert say(engine, "cat /in/side/file") == "of the host"


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"mount_add": "type=bind,src=SOURCE,dst=in/side"}, InvalidInput, "not an absolute path"),
        ({"mount_add": "type=bind,src=/no/such,dst=/x"}, InvalidInput, "does not exist: /no/such"),
        ({"mount_add": "type=tmpfs,dst=/x"}, Unsupported, "a tmpfs cannot be added"),
        ({"volume_add": "/x"}, InvalidInput, "has no source"),
        ({"volume_add": ["SOURCE:/x", "SOURCE:/x"]}, InvalidInput, "duplicate mount point: /x"),
        ({"volume_add": "SOURCE:/etc/passwd"}, InvalidInput, "/etc/passwd is a file, and what is .* a directory"),
        ({"volume_add": "SOURCE/file:/usr"}, InvalidInput, "/usr is a directory, and what is to be mounted is a file"),
        ({"volume_add": "SOURCE:/had"}, Conflict, "has a mount at /had already"),
        ({"volume_add": "SOURCE:/proc"}, Conflict, "something is mounted at /proc"),
        ({"volume_add": "SOURCE:/proc/1"}, InvalidInput, "inside a procfs"),
        ({"volume_add": "SOURCE:/proc/self/fd"}, Conflict, "leads through a symbolic link"),
        ({"volume_add": "SOURCE:/etc"}, Conflict, "would hide the one at /etc/"),
        ({"mount_rm": "/proc"}, NotFound, "has no mount at /proc that was asked for"),
        ({"mount_rm": "had"}, InvalidInput, "not an absolute path"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_changes_nothing(
    engine: Engine, source: Path, options: dict[str, Any], kind: type[RingfenceError], words: str
) -> None:
    begin(engine, volume=f"{source}:/had")
    given = {
        key: [text.replace("SOURCE", str(source)) for text in ([value] if isinstance(value, str) else value)]
        for key, value in options.items()
    }

    with pytest.raises(kind, match=words) as caught:
        engine.update("box", **given)

    assert "\n" not in str(caught.value)
    assert (targets(engine), recorded(engine)) == (["/had"], ["/had"])
    engine.update("box", volume_add=f"{source}:/good", mount_rm="/had")
    assert (targets(engine), recorded(engine)) == (["/good"], ["/good"])


SWAP = """mkdir /x; ln -s / /x.root; ln -s /proc/1 /x.proc; while :; do for link in /x.root /x.proc; do
mv -T /x /x.d; mv -T $link /x; mv -T /x $link; mv -T /x.d /x; done; done"""


def test_who_exchanges_the_target_for_a_link_gets_no_mount_elsewhere(engine: Engine, source: Path) -> None:
    begin(engine)
    host = [repr(entry) for entry in mountinfo.read()]
    engine.exec("box", ["sh", "-c", SWAP], detach=True)
    time.sleep(0.05)

    added = 0
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        try:
            if recorded(engine):
                engine.update("box", mount_rm="/x/tmp")
            else:
                engine.update("box", volume_add=f"{source}:/x/tmp")
                added += 1
        except (Conflict, Failed, InvalidInput):
            pass
        found = targets(engine)
        assert set(found) <= {"/x/tmp", "/x.d/tmp"}
        assert len(found) == len(recorded(engine)), "what was taken away is gone, what is there is on record"
    assert added
    assert [repr(entry) for entry in mountinfo.read()] == host


def test_a_mount_that_was_asked_for_is_not_taken_away_through_a_link(engine: Engine, source: Path) -> None:
    begin(engine, volume=f"{source}:/var/run/side")  # /var/run is a link to /run: it is mounted there

    with pytest.raises(Conflict, match="has it elsewhere, by a symbolic link"):
        engine.update("box", mount_rm="/var/run/side")

    assert (targets(engine), recorded(engine)) == (["/run/side"], ["/var/run/side"])


def test_killed_at_any_instant_the_next_change_finds_record_and_kernel_alike(engine: Engine, source: Path) -> None:
    begin(engine)
    script = "import sys; from ringfence import Engine; engine = Engine(root=sys.argv[1], state=sys.argv[2]); " \
             "print(flush=True); engine.update('box', volume_add=sys.argv[3])"  # fmt: skip

    for number in range(12):
        argv = [sys.executable, "-c", script, engine.root, engine.state, f"{source}:/in/side"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(number * 0.002)
            process.send_signal(signal.SIGKILL)
        time.sleep(0.05)  # a helper that has begun completes its plan
        engine.update("box", volume_add=f"{source}:/other")
        assert sorted(targets(engine)) == sorted(recorded(engine))
        engine.update("box", mount_rm=recorded(engine))
        assert targets(engine) == []
    assert not os.path.exists(f"{places.runtime_state(engine, engine.inspect('box')['Id'])}/mounting")
