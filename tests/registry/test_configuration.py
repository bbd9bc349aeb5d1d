"""registries.conf: where a repository is to be found; and proxies: by which way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Denied, InvalidInput, Unsupported
from ringfence.oci.reference import Reference
from ringfence.registry.configuration import Configuration, files
from ringfence.registry.proxies import Proxies
from ringfence.registry.transport import Url

EXAMPLE = b"""
unqualified-search-registries = ["other.example"]
[[registry]]
prefix = "a.example/team"
location = "b.example:5000/moved"
insecure = true
[[registry.mirror]]
location = "m.example/all"
[[registry.mirror]]
location = "n.example"
pull-from-mirror = "digest-only"
insecure = true
[[registry]]
prefix = "*.wild.example"
location = "real.example"
[[registry]]
location = "blocked.example"
blocked = true
[aliases]
tool = "quay.io/team/tool"
"""


def configuration(data: bytes = EXAMPLE) -> Configuration:
    made = Configuration()
    made.add(data, "registries.conf")
    return made


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("a.example/team/app:1", ["<mirror m.example/all/app>", "<mirror n.example/app insecure>",
                                  "<b.example:5000/moved/app insecure>"]),
        ("a.example/teams/app", ["<a.example/teams/app>"]),
        ("x.wild.example/app", ["<real.example/app>"]),
        ("debian", ["<docker.io/library/debian>"]),
    ],
)  # fmt: skip
def test_places_of_a_repository(name: str, places: list[str]) -> None:
    assert [repr(place) for place in configuration().locations(Reference.parse(name))] == places


def test_a_blocked_registry_is_denied_and_aliases_are_for_short_names() -> None:
    with pytest.raises(Denied, match=r"^blocked\.example/a: blocked by the registries' configuration"):
        configuration().locations(Reference.parse("blocked.example/a"))
    assert str(configuration().resolve("tool:2")) == "quay.io/team/tool:2"
    assert str(configuration().resolve("a/tool:2")) == "docker.io/a/tool:2"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"registry = 5", "registry: must be an array"),
        (b"[[registry]]", "registry[0]: needs a prefix or a location"),
        (b'[[registry]]\nprefix = "*.x/y"', "registry[0].prefix: a wildcard covers whole hosts only"),
        (b"a = = 1", "not valid TOML: "),
        (b"\xff", "not valid TOML: byte 0 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        configuration(data)
    assert str(caught.value).startswith(f"registries.conf: {words}")


@given(st.binary() | st.text('[]registypfxlocan="*.\n/:5 ').map(str.encode))
def test_any_file_is_settings_or_one_clear_line(data: bytes) -> None:
    # Invariant: any bytes are settings by which any repository has places, or InvalidInput or Denied in one line.
    try:
        assert configuration(data).locations(Reference.parse("a.example/team/app"))
    except (InvalidInput, Denied) as error:
        assert "\n" not in str(error)


def test_later_files_count_and_missing_ones_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/1.conf").write_text('[[registry]]\nlocation = "x.example"\nblocked = true')
    (tmp_path / "d/2.conf").write_text('[[registry]]\nlocation = "x.example"\nblocked = false')
    read = Configuration.read([str(tmp_path / "none"), str(tmp_path / "d")])
    assert [repr(place) for place in read.locations(Reference.parse("x.example/a"))] == ["<x.example/a>"]
    assert files("/h", {"CONTAINERS_REGISTRIES_CONF": "/chosen"}) == ["/chosen"]


@pytest.mark.parametrize(
    ("without", "host", "direct"),
    [
        ("", "a.example", False), ("", "127.0.0.1", True), ("", "localhost", True), ("*", "a.example", True),
        ("example", "a.example", True), ("a.example", "a.example", True), (".a.example", "a.example", False),
        ("a.example:80", "a.example", False), ("a.example:443", "a.example", True), ("10.0.0.0/8", "10.1.2.3", True),
        ("xample", "a.example", False),
    ],
)  # fmt: skip
def test_proxies_and_what_goes_without_one(without: str, host: str, direct: bool) -> None:
    proxies = Proxies({"HTTPS_PROXY": "http://user:p%40ss@proxy.example:3128", "NO_PROXY": without})
    found = proxies.find("https", host, 443)
    assert (found is None) == direct
    if found is not None:
        assert (found.host, found.port) == ("proxy.example", 3128)
        assert found.headers == {"Proxy-Authorization": "Basic dXNlcjpwQHNz"}


def test_a_proxy_that_is_none_is_told_when_it_would_be_used() -> None:
    with pytest.raises(Unsupported, match='HTTPS_PROXY: "socks5" proxies are not built'):
        Proxies({"HTTPS_PROXY": "socks5://x"}).find("https", "a.example", 443)


@given(st.text() | st.text("htps:/[]@.?#a1 "))
def test_any_text_is_a_url_that_says_itself_or_is_refused(text: str) -> None:
    # Invariant: what is taken for a URL is written out as one that is read the same, without anything unprintable.
    try:
        url = Url.parse(text)
    except InvalidInput:
        return
    again = Url.parse(str(url))
    assert (again.origin, again.target) == (url.origin, url.target)
    assert str(url).isprintable() and " " not in str(url)
