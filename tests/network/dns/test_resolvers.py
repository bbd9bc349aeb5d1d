"""The host's name servers, as resolv.conf(5) names them."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ringfence.network.dns import resolvers
from ringfence.network.dns.resolvers import Resolvers


def test_they_are_read_in_order_and_what_names_none_is_passed_over() -> None:
    text = "# x\nnameserver 1.1.1.1\nsearch a\n nameserver\tfe80::1%eth0 # y\nnameserver\nnameserver dns.example\n"
    assert resolvers.named(text) == ["1.1.1.1", "fe80::1%eth0"]


@given(st.text())
def test_any_text_names_servers_or_none(text: str) -> None:
    # Invariant: no text raises, and what is found stands in a line that begins with nameserver.
    assert all(f"nameserver {server}" in " ".join(text.split()) for server in resolvers.named(text))


def test_the_file_is_read_again_when_it_changes_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    there = Resolvers(str(path))
    assert there.servers() == ["127.0.0.1"]
    path.write_text("nameserver 1.1.1.1\n")
    assert there.servers() == ["1.1.1.1"]
    (tmp_path / "new").write_text("nameserver 2.2.2.2\n")
    os.replace(tmp_path / "new", path)
    assert there.servers() == ["2.2.2.2"]
    path.unlink()
    assert there.servers() == ["127.0.0.1"]
