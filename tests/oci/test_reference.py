"""References mean what docker, podman and the distribution-spec mean by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.oci.reference import Reference, familiar

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "shown"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("quay.io/team/app:1.2", "quay.io/team/app:1.2", "quay.io/team/app:1.2"),
        ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("a__b-c/x--y.z", "docker.io/a__b-c/x--y.z:latest", "a__b-c/x--y.z:latest"),
        (f"debian@sha256:{HEX}", f"docker.io/library/debian@sha256:{HEX}", f"debian@sha256:{HEX}"),
        (f"debian:12@sha256:{HEX}", f"docker.io/library/debian:12@sha256:{HEX}", f"debian:12@sha256:{HEX}"),
        ("app:V1.0_x-2", "docker.io/library/app:V1.0_x-2", "app:V1.0_x-2"),
    ],
)
def test_a_reference_has_a_canonical_and_a_familiar_form(text: str, canonical: str, shown: str) -> None:
    reference = Reference.parse(text)
    assert (reference.canonical, reference.familiar) == (canonical, shown)
    assert familiar(canonical) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no name"),
        (":tag", "it has no name"),
        ("Debian", "the name must be lowercase"),
        ("user/App", "the name must be lowercase"),
        ("a..b", '"library/a..b" is not a name'),
        ("a___b", "is not a name"),
        ("-a", "is not a name"),
        ("a/", "is not a name"),
        ("a//b", "is not a name"),
        ("../a", '".." is not a registry'),
        ("a/../b", "is not a name"),
        ("a b", "is not a name"),
        ("a:", '"" is not a tag'),
        ("a:b c", '"b c" is not a tag'),
        ("a:-b", "is not a tag"),
        ("a:" + "b" * 129, "is not a tag"),
        ("a@", "is not a digest"),
        ("a@sha256:12", '"sha256:12" is not a digest'),
        ("host:port/a", '"host:port" is not a registry'),
        ("-host.io/a", "is not a registry"),
        (HEX, "64 hexadecimal digits are an ID, not a name"),
        ("a" * 250, "its name is longer than 255 characters"),
    ],
)
def test_a_text_that_is_no_reference_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Reference.parse(text)
    assert str(refused.value).startswith("invalid image reference ")
    assert reason in str(refused.value)


def test_the_default_tag_can_be_left_out() -> None:
    assert Reference.parse("debian", default_tag="").canonical == "docker.io/library/debian"


REFERENCE_LIKE = st.text("abzAZ019._-:/@[]", max_size=30) | st.from_regex(
    r"([a-z.]{1,6}(:[0-9]{1,4})?/)?[a-z0-9_.-]{1,8}(/[a-z0-9]{1,5}){0,2}(:[\w.-]{1,5})?", fullmatch=True
)


@given(st.text(max_size=40) | REFERENCE_LIKE)
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    # Invariant: the canonical and the familiar form parse to the same reference; anything else is InvalidInput.
    try:
        reference = Reference.parse(text)
    except InvalidInput as refused:
        assert "\n" not in str(refused) and str(refused).isprintable()
        return
    assert Reference.parse(reference.canonical) == reference
    assert Reference.parse(reference.familiar) == reference
    assert ".." not in reference.repository.split("/")
