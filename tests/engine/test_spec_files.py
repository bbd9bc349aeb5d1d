"""The text of /etc/hosts, /etc/hostname and /etc/resolv.conf in a container."""

from __future__ import annotations

from pathlib import Path

from ringfence.engine import spec_files
from ringfence.engine.options import parse
from ringfence.engine.spec_host import HostFacts

HOST_RESOLVER = "# comment\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch corp  example\noptions ndots:2 rotate\n"


def test_hosts_has_localhost_the_container_and_what_was_added() -> None:
    text = spec_files.hosts(parse({"add_host": ["db:10.0.0.1", "v6=::5"], "domainname": "example"}), "web")
    assert text.startswith("127.0.0.1\tlocalhost\n::1\tlocalhost ")
    assert text.endswith("127.0.0.1\tweb.example web\n10.0.0.1\tdb\n::5\tv6\n")


def test_hosts_is_the_hosts_own_in_its_network() -> None:
    text = spec_files.hosts(parse({"network": "host", "add_host": "db:10.0.0.1"}), "me", "127.0.0.1 me")
    assert text == "127.0.0.1 me\n10.0.0.1\tdb\n"


def test_the_resolver_is_the_hosts_unless_something_is_replaced() -> None:
    assert spec_files.resolv_conf(parse({}), HOST_RESOLVER) == HOST_RESOLVER
    assert spec_files.resolv_conf(parse({"dns": ["9.9.9.9"]}), HOST_RESOLVER) == (
        "nameserver 9.9.9.9\nsearch corp example\noptions ndots:2 rotate\n"
    )
    assert spec_files.resolv_conf(parse({"dns_search": ".", "dns_opt": "debug"}), HOST_RESOLVER) == (
        "nameserver 1.1.1.1\nnameserver 2.2.2.2\noptions debug\n"
    )


def test_the_files_are_written_for_everybody_to_read(tmp_path: Path) -> None:
    spec_files.write("f" * 64, parse({}), HostFacts(bundle=str(tmp_path)))
    assert (tmp_path / "hostname").read_text() == "f" * 12 + "\n"
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "hostname": 0o644, "hosts": 0o644, "resolv.conf": 0o644,
    }  # fmt: skip


def test_who_joins_a_network_gets_the_names_of_its_owner(tmp_path: Path) -> None:
    owner, guest = tmp_path / "owner", tmp_path / "guest"
    owner.mkdir()
    guest.mkdir()
    (owner / "hosts").write_text("1.2.3.4 owner\n")
    (owner / "resolv.conf").write_text("nameserver 5.6.7.8\n")
    spec_files.write("f" * 64, parse({"network": "container:o"}), HostFacts(bundle=str(guest)), shared=str(owner))
    assert (guest / "hosts").read_text() == "1.2.3.4 owner\n"
    assert (guest / "resolv.conf").read_text() == "nameserver 5.6.7.8\n"


def test_with_a_server_of_names_of_ours_that_one_is_asked_and_search_and_options_stay() -> None:
    listen = ["10.89.1.1", "fd00::1", "10.89.2.1"]
    assert spec_files.resolv_conf(parse({"dns": "9.9.9.9"}), "nameserver 1.1.1.1\nsearch corp\n", listen=listen) == (
        "nameserver 10.89.1.1\nnameserver 10.89.2.1\nnameserver fd00::1\nsearch corp\noptions ndots:0\n"
    )
    assert spec_files.resolv_conf(parse({}), HOST_RESOLVER, listen=["10.89.1.1"]) == (
        "nameserver 10.89.1.1\nsearch corp example\noptions ndots:2 rotate\n"
    )
    assert spec_files.resolv_conf(parse({"dns_opt": ["debug"]}), "options edns0", listen=["10.89.1.1"]) == (
        "nameserver 10.89.1.1\noptions debug ndots:0\n"
    )


def test_servers_on_the_hosts_loopback_are_replaced_in_a_network_of_its_own() -> None:
    def private(text: str, resolved: str = "", **raw: object) -> str:
        return spec_files.resolv_conf(parse(raw), text, private=True, resolved_text=resolved)

    stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp\n"
    rest = "search corp\noptions edns0 trust-ad\n"
    assert private(stub, "nameserver 192.0.2.1\nnameserver ::1\n") == f"nameserver 192.0.2.1\n{rest}"
    assert private(stub) == f"nameserver 8.8.8.8\nnameserver 8.8.4.4\n{rest}"
    assert private(stub, dns=["9.9.9.9"]) == f"nameserver 9.9.9.9\n{rest}"
    assert private("nameserver ::1\nnameserver 1.1.1.1\n") == "nameserver 1.1.1.1\n"
    assert private("") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    assert private(HOST_RESOLVER) == HOST_RESOLVER
    assert spec_files.resolv_conf(parse({}), stub) == stub  # in the host's network they are there
