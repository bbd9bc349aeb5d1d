"""Unix sockets: what was sent before an end was closed arrives, whatever that end had left unread."""

from __future__ import annotations

import os

from ringfence.linux import sockets


def test_an_end_closed_with_messages_unread_loses_none_of_its_own() -> None:
    ours, theirs = sockets.pair()
    ours.send(b"nobody reads this")
    theirs.send(b"exit code 3")
    theirs.close()
    assert [ours.receive(100), ours.receive(100)] == [b"exit code 3", b""]
    ours.close()


def test_nor_the_descriptors_with_them() -> None:
    ours, theirs = sockets.pair()
    ours.send(b"nobody reads this")
    with open("/dev/null", "rb") as file:
        sockets.send_descriptors(theirs, b"one", [file.fileno()])
    theirs.close()
    message, (descriptor,) = sockets.receive_descriptors(ours, 100, 1)
    assert (message, os.path.realpath(f"/proc/self/fd/{descriptor}")) == (b"one", "/dev/null")
    os.close(descriptor)
    ours.close()
