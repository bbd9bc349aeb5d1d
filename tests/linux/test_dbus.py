"""D-Bus: bytes as the specification shows them, values that come back as they went, and no harm by foreign bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import dbus
from ringfence.linux.dbus import Variant

TYPED = st.sampled_from(
    [("u", 7), ("s", "a b"), ("as", ["x", ""]), ("ay", b"\1\2\3"), ("a(sv)", [("n", Variant("t", 1 << 63))]),
     ("a{sv}", [("k", Variant("as", []))]), ("b", True), ("x", -5), ("(ou)", ("/a", 1)), ("v", Variant("g", "a(ss)"))]
)  # fmt: skip


def test_values_are_aligned_as_the_specification_says() -> None:
    assert dbus.encode("yu", [1, 2]) == b"\1\0\0\0\2\0\0\0"
    assert dbus.encode("s", ["foo"]) == b"\3\0\0\0foo\0"
    assert dbus.encode("at", [[5]]) == b"\x08\0\0\0" + bytes(4) + b"\5" + bytes(7)


@given(st.lists(TYPED, max_size=6))
def test_values_come_back_as_they_went(typed: list[tuple[str, Any]]) -> None:
    # Invariant: decoding what was encoded gives the same values, whatever precedes them.
    signature = "".join(kind for kind, _ in typed)
    values = [value for _, value in typed]
    assert dbus.decode(signature, dbus.encode(signature, values)) == values


@given(st.binary(max_size=200), st.sampled_from(["a(sv)", "v", "as", "a{sv}", "yyyyuua(yv)", "(ouss)"]))
def test_foreign_bytes_are_values_or_a_value_error(data: bytes, signature: str) -> None:
    # Invariant: any bytes decode to values, or raise ValueError; nothing else happens.
    try:
        dbus.decode(signature, data)
    except ValueError:
        return


@given(st.binary(max_size=200).map(lambda data: b"l" + data))
def test_foreign_messages_are_incomplete_or_whole_or_a_value_error(data: bytes) -> None:
    # Invariant: a message is not yet complete, complete within the bytes given, or no message (ValueError).
    try:
        found = dbus.message(data)
    except ValueError:
        return
    assert found is None or 16 <= found[1] <= len(data)


@pytest.mark.parametrize("signature", ["(", "a", "()", "z", "(s", "a" * 100])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    with pytest.raises(ValueError):
        dbus.types(signature)
