"""docker's config.json: whose credentials are whose."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.registry.credentials import lookup, parse_config


def entry(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


AUTHS = {
    "https://index.docker.io/v1/": entry("hub"),
    "plain.example": entry("plain"),
    "https://scheme.example:5000/v2/": entry("scheme"),
    "space.example": entry("everybody"),
    "space.example/team": entry("team"),
    "space.example/team/app": entry("app"),
    "named.example": {"username": "named", "password": "with:colon"},
    "empty.example": {},
}


@pytest.mark.parametrize(
    ("host", "repository", "user"),
    [
        ("docker.io", "library/debian", "hub"),
        ("registry-1.docker.io", "", "hub"),
        ("plain.example", "a/b", "plain"),
        ("scheme.example:5000", "", "scheme"),
        ("scheme.example", "", None),
        ("space.example", "other", "everybody"),
        ("space.example", "team/other", "team"),
        ("space.example", "team/app", "app"),
        ("space.example", "teamwork/app", "everybody"),
        ("named.example", "", "named"),
        ("empty.example", "", None),
        ("example", "", None),
    ],
)
def test_the_longest_key_that_covers_a_repository_counts(host: str, repository: str, user: str | None) -> None:
    found = lookup(AUTHS, host, repository, "config.json")
    assert (found.username if found else None) == user


def test_a_password_may_have_colons_and_a_token_stands_for_both() -> None:
    assert lookup({"a.b": entry("u", "p:q")}, "a.b", "", "x").password == "p:q"  # type: ignore[union-attr]
    found = lookup({"a.b": {**entry("u", ""), "identitytoken": "tok"}}, "a.b", "", "x")
    assert found is not None and found.identity == "tok"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[]", "c.json: must be an object"),
        ('{"auths": []}', "c.json: auths: must be an object"),
        ('{"auths": {"x": {"auth": 5}}}', "c.json: auths.x.auth: must be a string"),
        ('{"credsStore": {}}', "c.json: credsStore: must be a string"),
        ("{", "c.json: not valid JSON: expecting property name enclosed in double quotes (line 1, column 2)"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(document: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_config(document.encode(), "c.json")
    assert str(caught.value) == message


def test_an_entry_that_is_no_pair_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"^c\.json: auths\.x\.y\.auth: is not base64 of user:password$"):
        lookup({"x.y": {"auth": "!"}}, "x.y", "", "c.json")


LEAF = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
MEMBERS = st.dictionaries(st.sampled_from(["auths", "credsStore", "credHelpers", "x"]), VALUES)
ENTRIES = st.dictionaries(
    st.text(), st.dictionaries(st.sampled_from(["auth", "username", "identitytoken"]), LEAF)
).map(lambda auths: {"auths": auths})


@given(st.binary().map(lambda data: (data, None)) | (MEMBERS | ENTRIES).map(lambda d: (json.dumps(d).encode(), d)))
def test_any_file_is_settings_or_one_clear_line(case: tuple[bytes, Any]) -> None:
    # Invariant: reading any bytes and looking up any host in what they say gives a result, or InvalidInput in one line.
    try:
        document = parse_config(case[0], "c.json")
        for host in ["docker.io", "localhost:5000", *(document.get("auths") or {})]:
            lookup(document.get("auths") or {}, host, "a/b", "c.json")
    except InvalidInput as error:
        assert str(error).startswith("c.json: ")
