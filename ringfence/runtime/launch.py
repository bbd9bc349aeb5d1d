"""`Launch`: what a caller wants of the container that is to be created."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.linux.mounts import Mount
    from ringfence.runtime.interface import Monitoring


class Launch:
    """One container to be created and started.

    `root` are the mounts of the root filesystem, as a snapshotter returned them (one overlay or one bind); empty: the
    spec's own root.path below `bundle`. `volatile`: the container goes away at exit, so its overlay need not sync.
    `no_pivot`: change the root by chroot, where pivot_root cannot be (in an initramfs). `environment` is for the
    program alone, and not for what is executed beside it later. Without `keyring` it stays in our session keyring.
    Without `monitoring` nobody watches: the process inherits our stdin, stdout and stderr. `fault` is for tests:
    (operation number, errno) makes that operation fail, (number, -signal) kills the executor there. `text` is the spec
    as JSON, if the caller has it. `cgroup_manager` "systemd": linux.cgroupsPath is slice:prefix:name; "disabled": the
    container stays in our cgroups. `hook_environment` is that of hooks which the spec gives none. `connect` is
    called with the pid of a process in the container's network namespace, to connect that with networks before hooks
    and the program run; a RingfenceError that it raises ends the start. `meanwhile` is
    called while the helper works; who gives it may start another container like this one, with the id that
    `Runtime.next_id` tells.
    """

    __slots__ = (
        *("bundle", "cgroup_manager", "connect", "environment", "fault", "hook_environment", "id", "keyring"),
        *("meanwhile", "monitoring", "no_pivot", "root", "spec", "text", "volatile"),
    )

    def __init__(
        self,
        id: str,
        spec: dict[str, Any],
        bundle: str,
        *,
        root: Sequence[Mount] = (),
        monitoring: Monitoring | None = None,
        volatile: bool = False,
        no_pivot: bool = False,
        environment: Sequence[str] = (),
        keyring: bool = True,
        cgroup_manager: str = "",
        hook_environment: Sequence[str] = (),
        fault: tuple[int, int] = (-1, 0),
        text: str = "",
        connect: Callable[[int], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self.id = id
        self.spec = spec
        self.bundle = bundle
        self.root = list(root)
        self.monitoring = monitoring
        self.volatile = volatile
        self.no_pivot = no_pivot
        self.environment = list(environment)
        self.keyring = keyring
        self.cgroup_manager = cgroup_manager
        self.hook_environment = hook_environment
        self.fault = fault
        self.text = text
        self.connect = connect
        self.meanwhile = meanwhile
