"""A digest names bytes; what reads under its name gets those bytes or an error."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Corrupt, InvalidInput
from ringfence.oci.digest import Digest, HashingReader, VerifyingReader

DATA = b"some bytes" * 100_000
DIGEST = Digest("sha256:" + hashlib.sha256(DATA).hexdigest())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:abc",
        "md5:" + "0" * 32,
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 65,
        "sha512:" + "0" * 64,
        "sha256:../../../" + "0" * 55,
    ],
)
def test_a_text_that_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a digest like sha256:"):
        Digest(text)


def test_both_registered_algorithms_are_known() -> None:
    assert (Digest.of(b"").algorithm, Digest.of(b"").hex) == ("sha256", hashlib.sha256(b"").hexdigest())
    assert Digest("sha512:" + "0" * 128).algorithm == "sha512"


def test_a_verifying_reader_gives_the_bytes_and_an_end() -> None:
    reader = VerifyingReader(io.BytesIO(DATA), DIGEST, len(DATA))
    assert b"".join(iter(reader.read, b"")) == DATA
    assert reader.size == len(DATA)


@pytest.mark.parametrize(
    ("data", "size", "problem"),
    [
        (DATA[:-1], len(DATA), f"has only {len(DATA) - 1} bytes where {len(DATA)} were announced"),
        (DATA + b"x", len(DATA), f"has more bytes where {len(DATA)} were announced"),
        (DATA[:-1] + b"x", len(DATA), "the content has digest sha256:"),
        (DATA[:-1], None, "the content has digest sha256:"),
    ],
)
def test_a_verifying_reader_refuses_other_bytes(data: bytes, size: int | None, problem: str) -> None:
    reader = VerifyingReader(io.BytesIO(data), DIGEST, size)
    with pytest.raises(Corrupt, match=f"^{DIGEST}: {problem}"):
        while reader.read():
            pass


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_reading_in_any_steps_gives_the_same_digest(data: bytes, step: int) -> None:
    # Invariant: what a hashing reader has read and hashed is the file, however it is read.
    reader = HashingReader(io.BytesIO(data))
    read = b"".join(iter(lambda: reader.read(step), b""))
    assert (read, Digest.finish(reader.hash), reader.size) == (data, Digest.of(data), len(data))


@given(st.text(max_size=80))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    # Invariant: a Digest is its own text, and its parts can be parts of a path; anything else is InvalidInput.
    try:
        digest = Digest(text)
    except InvalidInput as refused:
        assert "\n" not in str(refused)
    else:
        assert digest == text and digest.hex.isalnum() and digest.algorithm.isalnum()
