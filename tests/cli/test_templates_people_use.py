"""Templates that people type, on one container of either engine: docker's answers, and podman's where they agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from tests.cli.driver import Command
from tests.conftest import copy_by_links
from tests.podman import LIMITS, Podman, on_tree_of_the_host_image

FLAGS = ["-d", "--name", "one", "-l", "x=y", "-l", "b=c", "-v", "/tmp:/t:ro", "-e", "A=1", "--hostname", "web"]

SAME = [  # of inspect
    '{{index .Config.Labels "x"}}', '{{index .Config.Labels "none"}}', "{{.Config.Labels}}", "{{.Config.Hostname}}",
    "{{if .State.Running}}up{{else}}down{{end}}", "{{upper .State.Status}}", "{{.State.Status | title}}",
    '{{join .Config.Cmd " "}}', "{{.Path}} {{.Args}}", '{{split .Config.Hostname ""}}', "{{len .Config.Cmd}}",
    '{{eq .State.Status "running"}}', "{{and .State.Running (not .State.Paused)}}", "{{.State.ExitCode}}",
    "{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}},{{end}}", "{{.NetworkSettings.IPAddress}}|", "{{.RestartCount}}",
    "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}|", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}",
    "{{.HostConfig.NetworkMode}}", "{{json .HostConfig.PortBindings}}", "{{json .Config.Healthcheck}}", "{{.Driver}}",
    "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}", "{{(index .Mounts 0).Destination}}",
    "{{.NetworkSettings.Ports}}", "{{.State.OOMKilled}} {{.State.Dead}} {{.State.Error}}", "{{.ExecIDs}}",
    "{{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.StdinOnce}}", "{{.Config.Volumes}}", "{{.Config.User}}|",
    "{{.HostConfig.LogConfig.Type}}", '{{printf "%s-%d|%5.2f" .State.Status .State.ExitCode 1.5}}',
    '{{with index .Config.Labels "x"}}<{{.}}>{{end}}', '{{range $i, $a := .Args}}{{if $i}}, {{end}}{{$a}}{{end}}',
    '{{if or (eq .State.Status "exited") (gt .State.Pid 1)}}yes{{end}}', "{{len .Mounts}} {{len .ExecIDs}}",
]  # fmt: skip

DOCKERS = {  # what docker answers, and podman does not
    "{{.Name}}": "/one",
    "{{slice .Id 0 0}}|": "|",
    "{{.Config.Entrypoint}} {{len .Config.Entrypoint}} {{json .Config.Entrypoint}}": "[] 0 null",
    "{{.Config.ExposedPorts}} {{json .Config.Volumes}}": "map[] null",
    "{{.HostConfig.Binds}} {{.HostConfig.CapAdd}}": "[/tmp:/t:ro] []",
    "{{with .State.Health}}{{.Status}}{{else}}none{{end}}": "none",
    "{{if .State.Health}}{{.State.Health.Status}}{{end}}|": "|",
    "{{json .State.Health}}": "null",
    "{{.Config.StopSignal}} {{.Config.Image}} {{.Platform}}": "SIGTERM host linux",
    '{{pad .Name 1 1}}{{truncate .Name 2}}{{lower "X"}}': " /one /ox",
}

PS = {  # docker's rows of ps
    "{{.Names}}": "one", "{{.Image}} {{.Command}}": 'host "sleep 100"', "{{.State}} {{.Ports}}|": "running |",
    "{{.Labels}}": "b=c,x=y", '{{.Label "x"}}': "y", "{{.Mounts}} {{.LocalVolumes}} {{.Networks}}": "/tmp 0 none",
    "{{upper .Names}}": "ONE", '{{range split .Labels ","}}{{.}} {{end}}': "b=c x=y ", "{{json .Names}}": '"one"',
    'table {{.Names}}\\t{{.Label "x"}}': "NAMES     x\none       y", "{{len .ID}}": "12",
    'table {{.Names}}\t{{.State}}': "NAMES     STATE\none       running",
}  # fmt: skip


@pytest.fixture(scope="module")
def mine(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    directory = tmp_path_factory.mktemp("mine")
    copy_by_links(host_root, directory / "root")
    command = Command(str(directory / "root"), str(directory / "state"))
    command.ok("run", *FLAGS, "--network", "none", "host", "sleep", "100")
    yield command
    with Engine(root=str(directory / "root"), state=str(directory / "state")) as engine:
        engine.rm("one", force=True)


@pytest.fixture(scope="module")
def podman(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with on_tree_of_the_host_image(host_root, tmp_path_factory.mktemp("podman")) as made:
        done = made.command("run", *FLAGS, *LIMITS, "--rootfs", str(made.tree), "sleep", "100")
        assert done.returncode == 0, done.stderr
        yield made
        made.command("rm", "-f", "-t", "0", "one")


@pytest.mark.parametrize("template", SAME)
def test_inspect_answers_as_podman(template: str, mine: Command, podman: Podman) -> None:
    theirs = podman.command("inspect", "--format", template, "one")

    assert theirs.returncode == 0, theirs.stderr
    assert mine.ok("inspect", "--format", template, "one") == theirs.stdout.removesuffix("\n")


@pytest.mark.parametrize("template", DOCKERS)
def test_inspect_answers_as_docker(template: str, mine: Command) -> None:
    assert mine.ok("inspect", "--format", template, "one") == DOCKERS[template]


@pytest.mark.parametrize("template", PS)
def test_ps_answers_as_docker(template: str, mine: Command) -> None:
    assert mine.ok("ps", "--format", template) == PS[template]


def test_info_and_version_speak_dockers_words(mine: Command) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    assert mine.ok("version", "--format", "{{.Server.Os}}/{{.Client.Arch}}") == f"linux/{machine}"
    assert mine.ok("info", "--format", "{{.CgroupVersion}}") in ("1", "2")
    assert mine.ok("info", "--format", "{{.DockerRootDir}}") == mine.environment["RINGFENCE_ROOT"]
