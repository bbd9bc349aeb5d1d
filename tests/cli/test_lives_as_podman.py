"""Flags that show only over a container's life, or beside another container, told by both: here and under podman.

Each test plays one story with either engine and compares what each saw: the namespaces and volumes of another
container, the files with an id and a pid, stop signals and time-outs, restarts, signals and keys that are passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.driver import COMMAND, Command, Terminal, eventually
from tests.podman import LIMITS, ULIMITS, Podman, on_tree_of_the_host_image


class Teller:
    """One of the two engines, and how it is asked for a container of the host image."""

    def __init__(self, argv: list[str], image: list[str], environment: Mapping[str, str]) -> None:
        self.argv = argv
        self.image = image
        self.environment = dict(environment)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [*self.argv, *words]
        return subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
        )

    def words(self, *flags: str, program: list[str]) -> list[str]:
        limits = ULIMITS if "--network" in flags else LIMITS
        return ["run", *limits, "--stop-timeout", "0", *flags, *self.image, *program]

    def run(self, *flags: str, program: list[str]) -> subprocess.CompletedProcess[str]:
        return self(*self.words(*flags, program=program))

    def shell(self, *flags: str, script: str) -> tuple[int, str]:
        """How the script ended, and what it said."""
        done = self.run("--rm", *flags, program=["sh", "-c", script])
        return done.returncode, done.stdout

    def start(self, name: str, *flags: str, script: str) -> None:
        """A container in the background whose script says `up` when it has begun."""
        done = self.run("-d", "--name", name, *flags, program=["sh", "-c", script])
        assert done.returncode == 0, done.stderr
        eventually(lambda: "up" in self("logs", name).stdout, f"{name} up")

    def told(self, name: str, template: str) -> str:
        return self("inspect", "--format", template, name).stdout.strip()


Both = Callable[[Callable[[Teller], object]], None]


@pytest.fixture(scope="module")
def podman(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with on_tree_of_the_host_image(host_root, tmp_path_factory.mktemp("podman")) as made:
        yield made


@pytest.fixture
def both(podman: Podman, command: Command) -> Both:
    """Plays a story with either engine, and compares what they saw."""

    def play(story: Callable[[Teller], object]) -> None:
        theirs = Teller(podman.storage, ["--rootfs", str(podman.tree)], os.environ)
        mine = Teller(COMMAND, ["host"], command.environment)
        seen = []
        for engine in (mine, theirs):
            try:
                seen.append(story(engine))
            finally:
                engine("rm", "-f", "--volumes", "one")
        assert seen[0] == seen[1]

    return play


@pytest.mark.parametrize(("flag", "file"), [("pid", "pid"), ("ipc", "ipc"), ("network", "net")])
def test_a_namespace_of_another_container_is_joined(flag: str, file: str, both: Both) -> None:
    def story(engine: Teller) -> object:
        engine.start("one", "--ipc", "shareable", script="echo up; echo shared >/dev/shm/x; exec sleep 100")
        there = engine("exec", "one", "readlink", f"/proc/self/ns/{file}").stdout
        script = f"readlink /proc/self/ns/{file}; tr '\\0' ' ' </proc/1/cmdline; cat /dev/shm/x 2>/dev/null"
        status, said = engine.shell(f"--{flag}", "container:one", script=script)
        engine("rm", "-f", "one")
        gone = engine.shell(f"--{flag}", "container:one", script="true")
        return status, said.startswith(there), said.partition("\n")[2].replace(script, "…"), gone

    both(story)


def test_volumes_of_another_container_are_mounted_as_it_has_them(both: Both, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("bound\n")

    def story(engine: Teller) -> object:
        volumes = "-v", "shared:/data", "-v", f"{tmp_path}:/ro:ro"
        engine.start("one", *volumes, script="echo x >/data/f; echo up; sleep 100")
        look = "cat /data/f /ro/file; touch /ro/x 2>/dev/null; touch /data/y 2>/dev/null; echo $?"
        return [engine.shell("--volumes-from", f"one{mode}", script=look) for mode in ("", ":ro", ":rw")]

    both(story)


def test_files_with_the_id_and_the_pid_are_written(both: Both, tmp_path: Path) -> None:
    def story(engine: Teller) -> object:
        files = tmp_path / "cid", tmp_path / "pid"
        for file in files:
            file.unlink(missing_ok=True)
        engine.start("one", "--cidfile", str(files[0]), "--pidfile", str(files[1]), script="echo up; sleep 100")
        return [file.read_text() for file in files] == engine.told("one", "{{.Id}} {{.State.Pid}}").split()

    both(story)


def test_a_stop_sends_the_signal_that_was_chosen_and_waits_as_long(both: Both) -> None:
    def story(engine: Teller) -> object:
        wait = "echo up; while :; do sleep 0.05; done"
        flags = "--stop-signal", "INT", "--stop-timeout", "9"
        engine.start("one", *flags, script=f"trap 'echo int; exit 3' INT; {wait}")
        stopped = engine("stop", "one").stdout, engine.told("one", "{{.State.ExitCode}}"), engine("logs", "one").stdout
        engine("rm", "one")
        engine.start("one", "--stop-timeout", "1", script=f"trap '' TERM; {wait}")
        begun = time.monotonic()
        engine("stop", "one")
        return stopped, 0.9 < time.monotonic() - begun < 9, engine.told("one", "{{.State.ExitCode}}")

    both(story)


def test_a_program_that_fails_is_restarted_as_often_as_was_asked(both: Both) -> None:
    def story(engine: Teller) -> object:
        engine.run("-d", "--name", "one", "--restart", "on-failure:2", program=["sh", "-c", "echo run; exit 3"])
        eventually(lambda: engine.told("one", "{{.RestartCount}} {{.State.Status}}") == "2 exited", "two restarts")
        return engine("logs", "one").stdout, engine.told("one", "{{.State.ExitCode}}")

    both(story)


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "USR1"])
def test_signals_are_passed_on(name: str, both: Both) -> None:
    def story(engine: Teller) -> object:
        script = f"trap 'echo {name}; exit 5' {name}; echo up; while :; do sleep 0.05; done"
        words = engine.words("--rm", "--name", "one", program=["sh", "-c", script])
        argv = [*engine.argv, *words]
        with subprocess.Popen(argv, env=engine.environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "up\n"
            time.sleep(0.3)  # podman is ready for signals a little later
            process.send_signal(getattr(signal, f"SIG{name}"))
            return process.communicate(timeout=30)[0], process.returncode

    both(story)


def test_keys_that_were_chosen_detach(both: Both) -> None:
    def story(engine: Teller) -> object:
        words = engine.words("-it", "--name", "one", "--detach-keys", "x,ctrl-e", program=["sh"])
        with Terminal([*engine.argv, *words], engine.environment) as terminal:
            terminal.type("echo $((6 * 7))\r")
            terminal.expect("42")
            for key in "x\x05":  # as a person types: podman knows them only one by one
                terminal.type(key)
                time.sleep(0.2)
            return terminal.end(), engine.told("one", "{{.State.Status}}")

    both(story)
