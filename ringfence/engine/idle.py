"""Networks without containers: what they have on this machine is taken away a moment after the last one has gone.

Removing a bridge makes the kernel wait for all processors (rcu_barrier), 50 ms; the next container often comes sooner.
So a process of its own waits, removes and ends. It is started under the lock of networks, and ends under it: whoever
leaves a network last finds either one that will still look, or none. If it is killed, `close` is called by prune.
"""

from __future__ import annotations

import fcntl
import os
import time

from ringfence.engine import launch, plug
from ringfence.linux import children
from ringfence.network import drivers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.plug import Lock

LINGER = 0.2
"""Seconds."""
_WAITS = 3  # the descriptor of the file that the process holds locked


def ensure(engine: Engine) -> None:
    """See to it that somebody looks a moment later. The lock of networks is held."""
    file = os.open(f"{engine.state}/network.idle", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return
    try:
        argv = launch.command(engine, "idle", "")
        null = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0)
        actions = [null, (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2), (os.POSIX_SPAWN_DUP2, file, _WAITS)]
        children.leave(os.posix_spawn(argv[0], list(argv), {}, file_actions=actions, setsid=True, setsigmask=()))
    finally:
        os.close(file)


def wait(engine: Engine) -> None:
    """What the process does."""
    time.sleep(LINGER)
    with plug.Lock(engine) as held:
        close(held)
        os.close(_WAITS)


def close(held: Lock) -> None:
    """Take away what networks without containers have on this machine."""
    networks = held.engine.networks
    used = {endpoint.attachment.network for endpoint in networks.endpoints()}
    for record in networks.all():
        network = record.network
        if network.driver in drivers.ROUTED and network.id not in used:
            plug.close(held, network)
