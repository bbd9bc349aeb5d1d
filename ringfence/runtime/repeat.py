"""Repeat: the plan of a container that is like one before, without compiling and encoding it again.

Two containers are alike if their specs and facts are the same, to the letter, once the id of the one and its first
twelve digits stand for those of the other. Then so are their plans, since to `compile` an id is a word like any other;
but for the stretches (`Plan.stretches`) that depend on what is not compared, the snapshot and the monitor's orders:
these are compiled in any case. What was read of cgroups that exist must read the same again.
"""

from __future__ import annotations

from ringfence.runtime import compile_process, compile_root
from ringfence.runtime.compile import compile_container
from ringfence.runtime.facts import Facts
from ringfence.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AnyStr

    from ringfence.runtime.interface import Launch

_MOST = 16  # plans, of some 40 kB each
_DIGITS, _SHORT = 64, 12  # of an id as engines draw them, and of docker's short id, by which they name its host
_HEXADECIMAL = frozenset("0123456789abcdef")
_COMPARED = tuple(name for name in Facts.__slots__ if name not in ("driver", "monitoring", "root"))


class Compiled:
    """What was compiled for one container."""

    __slots__ = ("_facts", "_parts", "_plan", "_seen")

    def __init__(self, facts: Facts, plan: Plan, encoded: bytes) -> None:
        self._facts = facts
        self._plan = plan
        self._parts = plan.between_stretches(encoded)
        self._seen = dict(facts.driver.seen) if facts.driver is not None else {}

    def again(self, spec: dict[str, Any], facts: Facts) -> tuple[Plan, bytes] | None:
        """The plan for other facts and a spec that is like this one's, and its bytes; None if it would be another."""
        if not self._alike(facts):
            return None
        own: list[bytes] = []
        for compile, (begin, end) in zip((compile_root.open_root, _monitor), self._plan.stretches, strict=True):
            stretch = Plan()
            stretch.slots = self._plan.slots[: begin[1]]
            compile(stretch, spec, facts)
            if (begin[0] + len(stretch.operations), len(stretch.slots)) != end:
                return None
            own.append(stretch.encode_operations())
        head, middle, tail = (_renamed(part, self._facts.id.encode(), facts.id.encode()) for part in self._parts)
        plan = self._plan.like(lambda: compile_container(spec, facts))
        return plan, b"".join((head, own[0], middle, own[1], tail))

    def _alike(self, facts: Facts) -> bool:
        for name in _COMPARED:
            value = getattr(facts, name)
            if isinstance(value, str):
                value = _renamed(value, facts.id, self._facts.id)
            if value != getattr(self._facts, name):
                return False
        if bool(facts.root) != bool(self._facts.root):
            return False
        one, other = facts.monitoring, self._facts.monitoring
        if one is None or other is None or (one.stdin, one.window) != (other.stdin, other.window):
            return False
        if facts.driver is None or self._facts.driver is None:
            return facts.driver is self._facts.driver
        return facts.driver.computes_like(self._facts.driver, self._seen)


class Plans:
    """The last plans, by specs in which the container's id is no particular one."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Compiled] = {}

    def of(self, launch: Launch) -> Compiled | None:
        """What was compiled for a spec like this one, which then needs no check."""
        return self._known.get(_key(launch)) if _comparable(launch) else None

    def keep(self, launch: Launch, facts: Facts, plan: Plan, encoded: bytes) -> None:
        """For the next container like it."""
        if not _comparable(launch) or facts.found_cgroup or facts.monitoring is None:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[_key(launch)] = Compiled(facts, plan, encoded)


def _monitor(plan: Plan, _spec: dict[str, Any], facts: Facts) -> None:
    compile_process.monitor(plan, facts)


def _comparable(launch: Launch) -> bool:
    """Whether its text is all that is in its spec, nothing is asked of the plan beside, and its id is no other word."""
    plain = bool(launch.text) and launch.fault == (-1, 0) and not launch.environment
    return plain and len(launch.id) == _DIGITS and _HEXADECIMAL.issuperset(launch.id)


def _key(launch: Launch) -> str:
    return _renamed(launch.text, launch.id, "\0" * len(launch.id))  # in JSON there is no such character


def _renamed(text: AnyStr, id: AnyStr, other: AnyStr) -> AnyStr:
    return text.replace(id, other).replace(id[:_SHORT], other[:_SHORT])
