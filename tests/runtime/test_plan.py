"""A plan is data: described for people, encoded for the helper."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ringfence.runtime.operations import CODES, OPERATIONS, of
from ringfence.runtime.plan import Plan

_ARGUMENTS = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "s": st.text(st.characters(exclude_categories=["Cs"])),
    "b": st.binary(),
    "l": st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
}


def decode(encoded: bytes) -> list[tuple[str, tuple[Any, ...]]]:
    """What the helper reads: an independent reading of the format, after the header."""
    _magic, count = struct.unpack_from("<4sI", encoded)
    offset = 32
    found = []
    for _ in range(count):
        code, _actor, size = struct.unpack_from("<HHI", encoded, offset)
        name, kinds, _text = OPERATIONS[code]
        body = encoded[offset + 8 : offset + 8 + size]
        values, at = [], 0
        for kind in (argument[0] for argument in kinds.split()):
            value, at = _value(kind, body, at)
            values.append(value)
        assert at == size, "an operation is as long as its arguments"
        found.append((name, tuple(values)))
        offset += 8 + size
    assert offset == len(encoded)
    return found


def _value(kind: str, body: bytes, at: int) -> tuple[Any, int]:
    if kind == "i":
        return struct.unpack_from("<q", body, at)[0], at + 8
    (length,) = struct.unpack_from("<I", body, at)
    at += 4
    if kind == "l":
        items = []
        for _ in range(length):
            item, at = _value("s", body, at)
            items.append(str(item))
        return items, at
    raw = body[at : at + length]
    assert body[at + length] == 0, "the helper uses strings in place: they end in a NUL"
    return (raw if kind == "b" else raw.decode()), at + length + 1


@given(st.data())
def test_what_is_encoded_is_what_the_helper_reads(data: st.DataObject) -> None:
    # Invariant: for any operations with any arguments, decoding the bytes gives back names and arguments, in order.
    plan = Plan()
    names = data.draw(st.lists(st.sampled_from(sorted(CODES)), max_size=6))
    for name in names:
        arguments: list[Any] = [data.draw(_ARGUMENTS[kind]) for kind, _argument in of(name)[1]]
        plan.container(name, *arguments)

    assert decode(plan.encode()) == [(one.name, one.arguments) for one in plan.operations]


def test_an_operation_is_described_with_its_arguments_and_the_label_of_its_descriptor() -> None:
    plan = Plan()
    plan.container("ATTACH", plan.slot("/srv/data"), 0, "/data", reason="mounts[0]")

    assert plan.describe(0) == "attach /srv/data at /data"


def test_the_plan_as_json_names_everything_but_the_filters_bytes() -> None:
    plan = Plan()
    plan.container("SECCOMP", 0, b"\x06\0\0\0\0\0\xff\x7f", 0, reason="linux.seccomp")

    assert plan.to_json() == [
        {
            "number": 0,
            "actor": "container",
            "operation": "seccomp",
            "arguments": {"flags": 0, "late": 0},
            "description": "load the seccomp filter",
            "reason": "linux.seccomp",
        }
    ]
