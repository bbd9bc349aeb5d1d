"""The options of `run` and `create`: one table for the engine, the command line and docs/options.md.

`parse` takes what people typed, keyed by docker's long flag in snake case, and returns `Options`: checked values in
one normal form. How each is read stands beside its row in the options_*.py file of its subject.
"""

from __future__ import annotations

from ringfence.engine import (
    options_absent,
    options_health,
    options_lifecycle,
    options_mounts,
    options_namespaces,
    options_network,
    options_process,
    options_resources,
)
from ringfence.engine.options_kinds import Option
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.engine.options_mounts import MountRequest


class Options:
    """Parsed options. Class attributes are the defaults; an instance holds only what was given, as plain JSON values.

    Sizes are bytes, times nanoseconds (`timeout` and `stop_timeout`: seconds), `cpus` nanocpus. The readers in
    options_*.py document the shape of each value. Parsed values are never changed in place.
    """

    # process
    env: Sequence[str] = ()
    env_file: Sequence[str] = ()
    workdir: str = ""
    user: str = ""
    group_add: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    interactive: bool = False
    tty: bool = False
    detach: bool = False
    detach_keys: str = "ctrl-p,ctrl-q"
    sig_proxy: bool = True
    cap_add: Sequence[str] = ()
    cap_drop: Sequence[str] = ()
    security_opt: Mapping[str, Any] = {}
    privileged: bool = False
    init: bool = False
    stop_signal: str = ""
    stop_timeout: int = 10
    label: Mapping[str, str] = {}
    label_file: Sequence[str] = ()
    annotation: Mapping[str, str] = {}
    # mounts
    volume: Sequence[MountRequest] = ()
    mount: Sequence[MountRequest] = ()
    tmpfs: Sequence[MountRequest] = ()
    volumes_from: Sequence[Mapping[str, str]] = ()
    read_only: bool = False
    # resources
    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    memory_swappiness: int = -1
    oom_kill_disable: bool = False
    cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_weight_device: Sequence[Mapping[str, Any]] = ()
    device_read_bps: Sequence[Mapping[str, Any]] = ()
    device_write_bps: Sequence[Mapping[str, Any]] = ()
    device_read_iops: Sequence[Mapping[str, Any]] = ()
    device_write_iops: Sequence[Mapping[str, Any]] = ()
    shm_size: int = 64 << 20
    ulimit: Sequence[Mapping[str, Any]] = ()
    oom_score_adj: int | None = None
    device: Sequence[Mapping[str, str]] = ()
    device_cgroup_rule: Sequence[Mapping[str, Any]] = ()
    cgroup_parent: str = ""
    group: str = ""
    network_egress: int = 0
    network_ingress: int = 0
    network_burst: int = 0
    # namespaces
    network: str = options_network.DEFAULT
    networks: Sequence[Mapping[str, Any]] = ()
    publish: Sequence[Mapping[str, Any]] = ()
    publish_all: bool = False
    expose: Sequence[str] = ()
    hostname: str = ""
    domainname: str = ""
    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    userns: Mapping[str, Any] = {}
    cgroupns: str = ""
    sysctl: Mapping[str, str] = {}
    add_host: Sequence[str] = ()
    dns: Sequence[str] = ()
    dns_option: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    # life
    name: str = ""
    rm: bool = False
    restart: Mapping[str, Any] = {"policy": "no", "retries": 0}
    pull: str = "missing"
    quiet: bool = False
    platform: str = ""
    runtime: str = "ringrun"
    timeout: int = 0
    cidfile: str = ""
    pidfile: str = ""
    log_driver: str = "k8s-file"
    log_opt: Mapping[str, int] = {}
    health_cmd: Sequence[str] = ()
    health_interval: int = 0
    health_timeout: int = 0
    health_retries: int = 0
    health_start_period: int = 0
    health_start_interval: int = 0
    no_healthcheck: bool = False

    def given(self, attribute: str) -> bool:
        """Whether the caller set this option, be it to its default."""
        return attribute in self.__dict__

    def to_json(self) -> dict[str, Any]:
        """What was given, as JSON values; the dict is the instance's own: read it only."""
        return self.__dict__

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Options:
        """The inverse of `to_json`."""
        options = Options()
        options.__dict__.update(values)
        return options


SECTIONS = {
    "process": options_process.OPTIONS,
    "files": options_mounts.OPTIONS,
    "limits": options_resources.OPTIONS,
    "namespaces": options_namespaces.OPTIONS,
    "network": options_network.OPTIONS,
    "life": options_lifecycle.OPTIONS,
    "not built yet": options_absent.OPTIONS,
}
OPTIONS: dict[str, Option] = {}  # by attribute
_BY_WORD: dict[str, Option] = {}  # also by alias
for _section, _options in SECTIONS.items():
    for _option in _options:
        _option.section = _section
        _option.default = getattr(Options, _option.attribute, None)
        OPTIONS[_option.attribute] = _BY_WORD[_option.attribute] = _option
        for _alias in _option.aliases:
            _BY_WORD[_alias.replace("-", "_")] = _option

_CHECKS = (options_resources.check, options_mounts.check, options_namespaces.check, options_network.check,
           options_lifecycle.check, options_health.check)  # fmt: skip


# Docker's default of these is the empty text, and scripts write --name "$NAME".
EMPTY_IS_NONE = frozenset(
    ("cgroupns", "cidfile", "ipc", "log-driver", "name", "pid", "pidfile", "platform", "runtime", "stop-signal", "uts")
)


def option(word: str) -> Option:
    """The option of this name, attribute or alias; InvalidInput `unknown flag: --word`."""
    found = _BY_WORD.get(word.replace("-", "_"))
    if found is None:
        raise InvalidInput(f"unknown flag: --{word.replace('_', '-')}")
    return found


def parse(raw: Mapping[str, Any]) -> Options:
    """Read and check `raw`. None means: not given. InvalidInput names flag and value; Unsupported what is not built.

    One key is no option: `environ`, the caller's environment, from which `-e NAME` takes its value. Only the command
    line passes it, so that the library never reads its process's environment.
    """
    values: dict[str, Any] = {}
    environ: Mapping[str, str] = {}
    for word, value in raw.items():
        if value is None:
            continue
        if word == "environ":
            environ = value
            continue
        row = option(word)
        if value == "" and row.name in EMPTY_IS_NONE:
            continue
        values[row.attribute] = row.read(f"--{row.name}", value)
    if "env" in values or "env_file" in values:
        entries = [*values.pop("env_file", ()), *values.get("env", ())]
        values["env"] = options_process.merge_environment(entries, environ)
    if "label_file" in values:
        from_files = options_process.labels("--label-file", values.pop("label_file"))
        values["label"] = from_files | values.get("label", {})
    options_network.fold(values)
    return _checked(values)


def changeable(row: Option) -> bool:
    """Whether `update` takes it."""
    return row.update


def changeable_of_group(row: Option) -> bool:
    """Whether `group update` takes it. CPU sets it cannot: containers took over the group's when they were started."""
    return row.update and row.group and not row.name.startswith("cpuset-")


def resource_options(raw: Mapping[str, Any], current: Options | None = None,
                     allowed: Callable[[Option], bool] = changeable) -> Options:  # fmt: skip
    """For `update`: the `current` options of a container with `raw` put over them, checked together.

    InvalidInput for an option that is not `allowed`. A number of CPUs replaces a quota, and the reverse.
    """
    changed = _read(raw, allowed, "cannot be changed by update")
    kept = dict(current.to_json()) if current else {}
    if "cpus" in changed:
        kept.pop("cpu_quota", None)
        kept.pop("cpu_period", None)
    elif "cpu_quota" in changed or "cpu_period" in changed:
        kept.pop("cpus", None)
    return _checked({**kept, **changed})


def group_options(raw: Mapping[str, Any]) -> Options:
    """For `group create`: the limits that containers can share. InvalidInput for any other option."""
    return _checked(_read(raw, lambda row: row.group, "is not a limit that containers can share"))


def _read(raw: Mapping[str, Any], allowed: Callable[[Option], bool], otherwise: str) -> dict[str, Any]:
    """The values of `raw` that were given, by attribute; InvalidInput for an option that is not `allowed`."""
    found: dict[str, Any] = {}
    for word, value in raw.items():
        row = option(word)
        if not allowed(row):
            raise InvalidInput(f"--{row.name}: {otherwise}")
        if value is not None:
            found[row.attribute] = row.read(f"--{row.name}", value)
    return found


def _checked(values: dict[str, Any]) -> Options:
    options = Options.from_json(values)
    for check in _CHECKS:
        check(options)
    return options
