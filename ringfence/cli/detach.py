"""Detach keys: how `ctrl-p,ctrl-q` is written, and finding the sequence in what is typed."""

from __future__ import annotations

from ringfence.cli.parser import UsageError

DEFAULT = "ctrl-p,ctrl-q"
# ctrl-@ is byte 0, ctrl-a is 1, …, ctrl-_ is 31 (ASCII: the letter less 64)
CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse(text: str) -> bytes:
    """`"ctrl-p,ctrl-q"` → b"\\x10\\x11"; "" → b"", which nothing matches. UsageError for a key there is not."""
    sequence = bytearray()
    for key in text.split(",") if text else ():
        letter = key.removeprefix("ctrl-").lower()
        if len(key) == 1 and key.isascii():
            sequence += key.encode()
        elif key.startswith("ctrl-") and len(letter) == 1 and letter in CONTROL:
            sequence.append(CONTROL.index(letter))
        else:
            raise UsageError(f'invalid argument "{text}" for "--detach-keys" flag: unknown key "{key}"')
    return bytes(sequence)


class Detector:
    """Lets input through, but for the sequence; a beginning of it is held back until it is clear what it was."""

    __slots__ = ("_held", "_sequence")

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """What the program is to get, and whether the sequence was completed (what is typed after it is dropped)."""
        if not self._sequence:
            return typed, False
        seen = self._held + typed
        before, found, _ = seen.partition(self._sequence)
        if found:
            self._held = b""
            return before, True
        keep = next(
            size for size in range(min(len(seen), len(self._sequence) - 1), -1, -1)
            if seen.endswith(self._sequence[:size])
        )  # fmt: skip
        self._held = seen[len(seen) - keep :]
        return seen[: len(seen) - keep], False
