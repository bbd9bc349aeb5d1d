"""What every verb module has: `VERB`, its command line and its action; and `Call`, one command line as it was read."""

from __future__ import annotations

import os
import sys

from ringfence.commandline import Arguments, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ringfence.commandline import Flag
    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.ringrun.notify import Proxy
    from ringfence.runtime.state import State

MANY = 1 << 30


class Call:
    """The words of one command line: the options before the verb, the verb, its own flags and operands."""

    __slots__ = ("_default_root", "_log", "fault", "flags", "name", "options", "proxy", "verb")

    def __init__(self, default_root: str, fault: tuple[int, int] = (-1, 0)) -> None:
        self._default_root = default_root
        self.fault = fault
        self._log = -1
        self.name = ""
        self.options = Arguments({})
        self.verb: Verb | None = None
        self.flags = Arguments({})
        self.proxy: Proxy | None = None  # of sd_notify, for a container that is about to run

    @property
    def root(self) -> str:
        """The directory of container states, absolute."""
        named = self.options.text("root") or os.environ.get("RINGRUN_ROOT")
        if not named and os.geteuid() != 0:
            from ringfence.runtime import rootless

            self._default_root = rootless.runtime_directory("ringrun", os.environ.get("XDG_RUNTIME_DIR", ""))
        return os.path.abspath(named or self._default_root)

    @property
    def debug(self) -> bool:
        """Whether more is to be told of an error."""
        return "debug" in self.options.given or self.options.given.get("log-level") == "debug"

    @property
    def id(self) -> str:
        """The container that the verb is about, which is always the first operand."""
        return self.flags.operands[0]

    def record(self) -> State:
        """What create wrote of that container; NotFound."""
        from ringfence.runtime import state

        return state.load(self.root, self.id)

    @property
    def cgroup_manager(self) -> str:
        """Who is to make a new container's cgroup: "systemd", "" for ourselves, or nobody: "disabled"."""
        if self.options.text("cgroup-manager") == "disabled":
            return "disabled"
        systemd = self.options.on("systemd-cgroup") or self.options.text("cgroup-manager") == "systemd"
        return "systemd" if systemd else ""

    def driver(self, record: State | None = None) -> CgroupDriver:
        """The cgroup driver of a container: the one that the verb is about, unless another's record is given."""
        from ringfence.linux import cgroups

        return cgroups.usable((record or self.record()).manager)

    def frozen(self, record: State) -> bool:
        """Whether the container's processes stand still."""
        from ringfence.linux import cgroups

        driver = cgroups.usable(record.manager)
        return bool(record.pid) and driver.exists(record.cgroup) and driver.frozen(record.cgroup)

    def open_log(self) -> None:
        """Make the file of --log before anything can go wrong that belongs into it."""
        path = self.options.text("log").removeprefix("file:")  # crun's word for the only kind of log that we have
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def log(self, level: str, message: str) -> None:
        """Append a line to the log, if there is one."""
        if self._log < 0:
            return
        from ringfence.runtime.ringrun.log import entry

        os.write(self._log, entry(level, message, self.options.text("log-format")).encode())

    def warn(self, warnings: Iterable[str]) -> None:
        """Tell what went wrong without harm: in the log, and where there is none on stderr."""
        for line in warnings:
            if self._log < 0:
                print(f"ringrun: warning: {line}", file=sys.stderr)
            self.log("warning", line)


class Verb:
    """One verb. `usage` is what follows its name; `operands` bounds how many there are, the first is the container.

    `act` returns the exit status, `failure` is the one for an error. A verb whose operands are another program's words
    is not `interspersed`: flags end with the first operand.
    """

    __slots__ = ("act", "failure", "flags", "interspersed", "least", "most", "summary", "usage")

    def __init__(
        self,
        act: Callable[[Call], int],
        usage: str,
        summary: str,
        flags: Sequence[Flag] = (),
        operands: tuple[int, int] = (1, 1),
        *,
        interspersed: bool = True,
        failure: int = 1,
    ) -> None:
        self.act = act
        self.usage = usage
        self.summary = summary
        self.flags = flags
        self.least, self.most = operands
        self.interspersed = interspersed
        self.failure = failure

    def parse(self, name: str, words: Sequence[str]) -> Arguments:
        """Read the words behind the verb."""
        arguments = parse(self.flags, words, interspersed=self.interspersed)
        if len(arguments.operands) < self.least:
            raise UsageError(f"{name}: {self.usage} is required")
        if len(arguments.operands) > self.most:
            raise UsageError(f'{name}: unexpected argument "{arguments.operands[self.most]}"')
        return arguments
