"""WWW-Authenticate headers as registries write them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Corrupt
from ringfence.registry.challenge import Challenge, parse
from ringfence.registry.tokens import parse_token

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HUB, [Challenge("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                                    "scope": "repository:a/b:pull,push"})]),
        ("Basic realm=Registry", [Challenge("basic", {"realm": "Registry"})]),
        ('basic Realm="a \\"b\\" c"', [Challenge("basic", {"realm": 'a "b" c'})]),
        ('Negotiate, Basic realm="x" , Bearer realm="y", error="z"', [
            Challenge("negotiate", {}), Challenge("basic", {"realm": "x"}),
            Challenge("bearer", {"realm": "y", "error": "z"}),
        ]),
        ("NTLM TlRMTVNTUAACAAAA==, Basic realm=x", [Challenge("ntlm", {}), Challenge("basic", {"realm": "x"})]),
        ("", []),
    ],
)  # fmt: skip
def test_headers_of_registries(header: str, expected: list[Challenge]) -> None:
    assert parse([header]) == expected


TOKEN = st.text("abcXYZ09-._~", min_size=1)


PARAMETERS = st.dictionaries(TOKEN.map(str.lower), st.text("ab\\\",= /:", max_size=9), min_size=1)


@given(st.lists(st.tuples(TOKEN, PARAMETERS)))
def test_what_is_written_by_the_rules_is_read_as_it_was_meant(challenges: list[tuple[str, dict[str, str]]]) -> None:
    # Invariant: quoting every value as RFC 9110 says and parsing gives the same challenges.
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ",".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )
    assert parse([header]) == [Challenge(scheme.lower(), parameters) for scheme, parameters in challenges]


@given(st.lists(st.text() | st.text('Bearer ,="\\abc')))
def test_any_header_is_challenges_or_none(headers: list[str]) -> None:
    # Invariant: parsing ends, raises nothing, and every scheme and parameter name is a word in lower case.
    for challenge in parse(headers):
        for word in (challenge.scheme, *challenge.parameters):
            assert word and word == word.lower() and not set(word) & set(' ,="')


@given(st.binary() | st.from_regex(rb'\{"(token|access_token)": ".{0,9}", "expires_in": -?[0-9]{1,30}\}'))
def test_any_answer_of_a_token_service_is_a_token_or_corrupt(data: bytes) -> None:
    # Invariant: either Corrupt, or a token that can stand in a header, good for between a minute and a day.
    try:
        token, lifetime = parse_token(data, "tests")
    except Corrupt as error:
        assert str(error) == "tests: its answer holds no token"
    else:
        assert token.isascii() and token.isprintable() and " " not in token
        assert 60 <= lifetime <= 86400


def test_both_names_of_a_token_and_the_shortest_life() -> None:
    assert parse_token(b'{"token": "a", "expires_in": 5}', "x") == ("a", 60)
    assert parse_token(b'{"access_token": "b", "expires_in": 300}', "x") == ("b", 300)
    assert parse_token(b'{"token": "", "access_token": "b"}', "x") == ("b", 60)
