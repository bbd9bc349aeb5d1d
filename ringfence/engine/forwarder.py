"""forwarder: the processes that keep the published ports of a container; one that was killed is started again."""

from __future__ import annotations

import os

from ringfence.engine import places, plug
from ringfence.engine.lock import Lock
from ringfence.errors import RingfenceError
from ringfence.linux import pidfd
from ringfence.network import forwarder, ports
from ringfence.runtime import helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine import Engine
    from ringfence.network.ports import Reserved
    from ringfence.network.values import Port

_FILE = "forwarder"
"""How the files of a container's forwarders begin, in the runtime's directory of it."""


def start(engine: Engine, id: str, pid: int, reserved: Sequence[Reserved], addresses: Sequence[str],
          which: str = "") -> None:  # fmt: skip
    """Start a forwarder of a container; `which` tells further ones apart, for ports that were published later."""
    _start(id, pid, reserved, addresses, f"{places.runtime_state(engine, id)}/{_FILE}{which}")


def stop(engine: Engine, id: str, keep: Sequence[Port]) -> list[Reserved]:
    """End all forwarders of a container. The ports to be kept are nobody else's meanwhile, and the caller's then."""
    kept: list[Reserved] = []
    try:
        for file in _files(engine, id):
            kept += forwarder.share(file, keep)
            forwarder.stop(file)
            os.unlink(file)
        for port in keep:
            if all(one.port is not port for one in kept):  # its forwarder was killed
                kept += ports.reserve([port])
    except BaseException:
        for one in kept:
            one.close()
        raise
    return kept


def mend(engine: Engine, id: str) -> None:
    """Start a running container's forwarder again if it was killed; who starts or stops the container does it himself.

    The command that does this is about something else, and is not to fail by it: what cannot be had is left.
    """
    if not _dead(engine, id):
        return
    lock = Lock(engine, id)
    try:
        if not lock.take(wait=False):
            return
        _start_again(engine, id)
    except (RingfenceError, ProcessLookupError):
        return  # the container has just ended, or this machine lacks what a forwarder needs
    finally:
        lock.release()


def _start_again(engine: Engine, id: str) -> None:
    """One for all ports that no other forwarder of the container's has."""
    endpoints = [one for one in engine.networks.endpoints(container=id) if plug.alive(one)]
    dead = _dead(engine, id)
    if not endpoints or not dead:
        return
    known = {record.network.id: record.network for record in engine.networks.all()}
    reserved: list[Reserved] = []
    try:
        for _, port in engine.networks.ports(id):
            try:
                reserved += ports.reserve([port])
            except (RingfenceError, OSError):
                continue  # it is another forwarder's, or somebody has taken it meanwhile
        if reserved:
            _start(id, endpoints[0].pid, reserved, plug.reachable(endpoints, known), dead[0])
            for file in dead[1:]:
                os.unlink(file)
    finally:
        for one in reserved:
            one.close()


def _start(id: str, pid: int, reserved: Sequence[Reserved], addresses: Sequence[str], file: str) -> None:
    with pidfd.open(pid) as process:
        forwarder.start(helper.path(), id[:12], reserved, addresses, process.fileno(), file)


def _dead(engine: Engine, id: str) -> list[str]:
    return [file for file in _files(engine, id) if not forwarder.running(file)]


def _files(engine: Engine, id: str) -> list[str]:
    directory = places.runtime_state(engine, id)
    try:
        return [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if name.startswith(_FILE)]
    except FileNotFoundError:
        return []
