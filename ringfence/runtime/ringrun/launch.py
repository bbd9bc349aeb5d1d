"""What `create` and `run` have in common: their flags, and the way from a bundle to a container."""

from __future__ import annotations

import os

from ringfence.commandline import Flag
from ringfence.linux import namespaces
from ringfence.oci import runtime_spec
from ringfence.runtime import create
from ringfence.runtime.launch import Launch
from ringfence.runtime.ringrun import handover, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.execute import Executed
    from ringfence.runtime.ringrun.notify import Proxy
    from ringfence.runtime.ringrun.verb import Call

FLAGS = (
    Flag("bundle", "directory of the spec", "b", kind="value", default=".", metavar="DIRECTORY"),
    Flag("config", "another name for config.json, below the bundle", "f", kind="value", default="config.json",
         metavar="FILE"),
    Flag("no-new-keyring", "stay in the session keyring of the caller"),
    Flag("no-pivot", "move the root filesystem to / instead of pivot_root, which an initramfs refuses"),
    Flag("no-subreaper", "leave orphans of the container to others"),
    *handover.FLAGS,
)  # fmt: skip


def launch(call: Call, *, wait: bool, stays: bool) -> Executed:
    """Create the container, and unless `wait` execute its program; `stays`: we wait for its end."""
    bundle = os.path.abspath(call.flags.text("bundle"))
    spec = runtime_spec.load(os.path.join(bundle, call.flags.text("config")))
    if not namespaces.privileged():
        spec = _unprivileged(call, spec)
    process = spec.get("process")
    handover.check_console(call, isinstance(process, dict) and bool(process.get("terminal")), not stays)
    activated = handover.activated()
    preserve = handover.preserved(call, activated)
    wanted = Launch(
        call.id,
        spec,
        bundle,
        environment=[f"LISTEN_FDS={activated}", "LISTEN_PID=1"] if activated else [],
        cgroup_manager=call.cgroup_manager,
        keyring=not call.flags.on("no-new-keyring"),
        no_pivot=call.flags.on("no-pivot"),
        hook_environment=[f"{name}={value}" for name, value in os.environ.items()],
        fault=call.fault,
        meanwhile=_load_for_the_end if stays else None,
    )
    call.proxy = proxy = _proxy()
    executed = create.create(
        call.root,
        wanted,
        wait=wait,
        preserve=preserve,
        parent="caller" if stays else "reaper",
        prepare=proxy.prepare if proxy is not None else None,
    )
    call.warn(executed.warnings)
    try:
        if stays and not call.flags.on("no-subreaper"):
            terminal.adopt_orphans(spec)
        handover.give(call, executed)
        if proxy is not None and not wait:
            (proxy.keep_on if stays else proxy.await_ready)(executed.pid)
    except BaseException:  # nobody would know of it
        destroy(call)
        raise
    return executed


def _load_for_the_end() -> None:
    """While the helper works on another processor: the modules that `destroy` needs."""
    for name in ("runtime.delete", "linux.cgroups.live"):
        __import__(f"ringfence.{name}")


def _proxy() -> Proxy | None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from ringfence.runtime.ringrun import notify

    return notify.proxy()


def _unprivileged(call: Call, spec: dict[str, Any]) -> dict[str, Any]:
    from ringfence.runtime import rootless
    from ringfence.runtime.ringrun.rootless import inside, limits

    if isinstance(spec.get("linux"), dict):
        limits(call, spec)
    return inside(spec) if rootless.entered() else spec  # who came as uid 0 speaks of ids as that namespace has them


def destroy(call: Call) -> None:
    """Delete the container in whatever state it is."""
    from ringfence.runtime import delete

    record = call.record()
    call.warn(delete.delete(record, call.driver(record), force=True))
