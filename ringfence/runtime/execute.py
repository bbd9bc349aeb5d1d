"""Execute a plan: hand it to ringinit, and turn its one report into a started process or an error.

The helper is started by posix_spawn, which costs the same at any size of this process, and gets the plan as a memory
file and one end of a socket pair, the control socket.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import Failed, RingfenceError
from ringfence.linux import children, signals, sockets
from ringfence.runtime import helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.runtime.listener import Listener
    from ringfence.runtime.netdevices import Mover
    from ringfence.runtime.plan import Plan

MESSAGE = 32769  # one type byte and 32 KiB: the longest message of the attach protocol


class HelperDied(Failed):
    """The helper was killed before its report, and so could not undo what it had made."""


class _NobodyAnswers(Exception):
    """The seccomp agent did not get its descriptor: what has been started by then must not go on."""

    def __init__(self, reason: Failed) -> None:
        super().__init__(reason)
        self.reason = reason


class Executed:
    """What the helper reported: pids, the control socket, and the terminal's master if nobody monitors it.

    `helper` is 0 until one is started, `pid` until it has reported: who may be interrupted keeps this from the
    beginning, so that at any instruction `abandon` finds what there is. `warnings` are what `create` has to say of the
    spec, one line each.
    """

    __slots__ = ("control", "helper", "monitor_pid", "pid", "terminal", "warnings")
    control: sockets.Socket  # there with the helper

    def __init__(self) -> None:
        self.pid = 0
        self.monitor_pid = 0
        self.terminal = -1
        self.helper = 0
        self.warnings: list[str] = []

    def release(self) -> None:
        """Wait until a helper that does not monitor has ended: from then on the process is the child of who reaps.

        buildah, conmon and containerd's shim wait for it as for their own as soon as we have returned.
        """
        self.control.close()
        children.take(self.helper)

    def abandon(self) -> None:
        """End what was started, as whoever wanted it has been interrupted; wait for a helper that is at work."""
        if self.helper:
            end(self.control, self.pid)
            self.helper = 0


def execute(
    plan: Plan,
    encoded: bytes,
    scratch: str,
    *,
    preserve: Sequence[int] = (),
    listener: Listener | None = None,
    mover: Mover | None = None,
    connect: Callable[[int], None] | None = None,
    executed: Executed | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Executed:
    """Run an encoded plan to its report. Raises CannotExecute if the program itself failed, else Failed.

    `scratch` is any existing directory, for a helper that seals itself: an overlay needs two layers. `preserve` are
    descriptors for the process, from 3 on; -1 leaves a number unused.
    `listener` gets the descriptor of a seccomp filter that notifies, `mover` moves the network devices,
    `connect` gets the container's pid to connect it with its networks; what it raises is what is raised here.
    `executed`: what is to be filled in and returned; one with a helper has been handed the plan already (see `begin`).
    `meanwhile` is called while the helper works.
    """
    connector = _Connector(connect)
    executed = executed or Executed()
    try:
        if not executed.helper:
            begin(executed, encoded, scratch, preserve)
        if meanwhile is not None:
            meanwhile()
    except BaseException:
        executed.abandon()
        raise
    try:
        _report(plan, executed, listener, mover, connector)
        helper.keep(executed.helper)
        return executed
    except _NobodyAnswers as error:
        executed.abandon()
        raise error.reason from None
    except RingfenceError:
        executed.helper = 0
        executed.control.close()
        if connector.failure is not None:
            raise connector.failure from None
        raise
    except BaseException:  # interrupted: what is being made must not live on without anybody who knows of it
        executed.abandon()
        raise


def begin(executed: Executed, encoded: bytes, scratch: str, preserve: Sequence[int]) -> None:
    """Start a helper that executes an encoded plan, with a control socket, whose end undoes the plan."""
    executed.control, theirs = sockets.pair()
    try:
        with theirs:
            memory = memory_file(encoded)
            try:
                executed.helper = _spawn(scratch, memory, theirs.fileno(), preserve)
            finally:
                os.close(memory)
    except BaseException:
        executed.helper = 0
        end(executed.control)
        raise


def memory_file(encoded: bytes) -> int:
    """A descriptor of a file in memory that holds an encoded plan."""
    memory = os.memfd_create("plan", os.MFD_CLOEXEC)
    try:
        os.write(memory, encoded)
    except OSError:  # EFBIG: a limit of files' sizes
        os.close(memory)
        raise
    return memory


def end(control: sockets.Socket, started: int = 0) -> None:
    """End what has been `started`, or let the helper come to its report and end that; wait until all is over."""
    with control:
        if started:
            _kill(started)
        while message := control.receive(MESSAGE):
            kind = message[:1]
            if kind == b"P":
                _kill(json.loads(message[1:])["pid"])
            elif kind in (b"N", b"Q"):  # it waits for our part, which does not come
                import errno

                _reply(control, f"{errno.ECANCELED} wait for the caller")
            elif kind == b"X":
                _reply(control, "D")  # there is nothing for its exit command to clean up, or to restart


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signals.SIGKILL)
    except ProcessLookupError:
        return  # it was quicker


def _spawn(scratch: str, memory: int, control: int, preserve: Sequence[int]) -> int:
    # Numbers above those that the process keeps: an earlier dup2 must not overwrite a later source.
    first = 3 + len(preserve)
    program = helper.kept()
    top = max(first + 2, memory, control, program, *preserve) + 1
    open_ones = [(n, fd) for n, fd in enumerate(preserve) if fd >= 0]
    actions: list[tuple[int, int, int]] = [(os.POSIX_SPAWN_DUP2, fd, top + n) for n, fd in open_ones]
    plan_fd, control_fd = top + len(preserve), top + len(preserve) + 1
    actions += [(os.POSIX_SPAWN_DUP2, memory, plan_fd), (os.POSIX_SPAWN_DUP2, control, control_fd)]
    actions += [(os.POSIX_SPAWN_DUP2, top + n, 3 + n) for n, _ in open_ones]
    path, arguments = f"/proc/self/fd/{program}", ["ringinit", str(plan_fd), str(control_fd)]
    if program < 0:
        path, arguments = helper.path(), [*arguments, scratch]
    pid = os.posix_spawn(path, arguments, {}, file_actions=actions)
    children.leave(pid)  # a monitor is our child while we live
    return pid


class _Connector:
    """Connects the container when the helper asks for it; it answers in any case, as the helper waits for that."""

    __slots__ = ("_connect", "failure")

    def __init__(self, connect: Callable[[int], None] | None) -> None:
        self._connect = connect
        self.failure: RingfenceError | None = None

    def answer(self, control: sockets.Socket, pid: int) -> None:
        import errno

        reply = f"{errno.ECANCELED} connect the networks"
        try:
            if self._connect is not None:
                self._connect(pid)
            reply = "0 "
        except (RingfenceError, OSError) as error:
            from ringfence.linux import processes

            if processes.ended(pid):  # it had failed at its part: the report, which comes next, says at what
                return
            if not isinstance(error, RingfenceError):
                raise
            self.failure = error
        finally:
            _reply(control, reply)


def _reply(control: sockets.Socket, words: str) -> None:
    try:
        control.send(words.encode(), sockets.MSG_NOSIGNAL)
    except BrokenPipeError:
        return  # the helper was killed: whoever reads its report finds that out


def _report(
    plan: Plan,
    executed: Executed,
    listener: Listener | None,
    mover: Mover | None,
    connector: _Connector,
) -> None:
    control = executed.control
    while True:
        kind = control.receive(1, sockets.MSG_PEEK)
        if kind == b"P":  # taken only once it is written down: who is interrupted in between finds it there (see `end`)
            started = json.loads(control.receive(MESSAGE, sockets.MSG_PEEK)[1:])
            executed.monitor_pid = started["monitor"]
            executed.pid = started["pid"]
            control.receive(MESSAGE)
            return
        message, descriptors = sockets.receive_descriptors(control, MESSAGE, 1)
        if kind == b"M":
            executed.terminal = descriptors[0]
        elif kind == b"Q" and mover is not None:
            code, words = mover.move(int(message[1:]))
            control.send(f"{code} {words}".encode())
        elif kind == b"N":
            connector.answer(control, int(message[1:]))
        elif kind == b"L" and listener is not None:
            pid, number, address = message[1:].split()
            try:
                listener.hand_over(int(pid), int(number), int(address))
            except Failed as error:
                raise _NobodyAnswers(error) from None
        elif kind == b"!":
            from ringfence.runtime import failure

            raise failure.error_of(plan, json.loads(message[1:].decode("utf-8", "replace")))
        else:
            import errno

            raise HelperDied("ringinit ended without a report", errno=errno.ECHILD)
