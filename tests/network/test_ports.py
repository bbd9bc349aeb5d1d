"""Ports of the host are taken for containers: all or none, by sockets, and a conflict names who has one."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Conflict, InvalidInput, NotFound, RingfenceError, Unsupported
from ringfence.linux import socketowners
from ringfence.linux.namespaces import Clone
from ringfence.network.ports import reserve
from ringfence.network.values import Port
from tests import needs
from tests.linux import child


def ports(*numbers: int, host: int = 0, address: str = "", protocol: str = "tcp") -> list[Port]:
    return [Port(number, host, address, protocol) for number in numbers]


def test_a_port_is_taken_in_both_families_until_it_is_closed() -> None:
    for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        [reserved] = reserve(ports(80, protocol=protocol))
        number = reserved.port.host_port
        assert number
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, kind) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
                with pytest.raises(OSError, match="in use"):
                    other.bind((address, number))
                    other.listen()
        reserved.close()
        with socket.socket(socket.AF_INET, kind) as other:
            other.bind(("127.0.0.1", number))


def test_one_address_or_one_family_leaves_the_others_to_others() -> None:
    with reserve(ports(80, address="127.0.0.1"))[0] as reserved:
        assert [one.getsockname()[0] for one in reserved.sockets] == ["127.0.0.1"]
        number = reserved.port.host_port
        with reserve(ports(80, host=number, address="127.0.0.2"))[0], reserve(ports(80, host=number, address="::"))[0]:
            pass


def test_several_are_consecutive_where_the_kernel_finds_room_or_within_a_range() -> None:
    anywhere = reserve(ports(80, 81, 82))
    first = anywhere[0].port.host_port
    assert [one.port.host_port for one in anywhere] == [first, first + 1, first + 2]
    assert [one.port.container_port for one in anywhere] == [80, 81, 82]

    within = reserve(ports(90, host=first), first + 100)
    assert first + 2 < within[0].port.host_port <= first + 100
    for one in (*anywhere, *within):
        one.close()


def test_a_conflict_names_the_program_and_takes_nothing() -> None:
    with reserve(ports(80))[0] as probe:
        number = probe.port.host_port
    code = f"import socket; s = socket.create_server(('127.0.0.1', {number})); print('up', flush=True); input()"
    argv = ["python3", "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Conflict) as caught:
            reserve(ports(80, 81, host=number - 1))
        assert str(caught.value) == f"port {number}/tcp is in use by python3 (pid {other.pid})"
        with pytest.raises(Conflict, match=r"all ports from \d+ to \d+/tcp are in use \(port .* by python3"):
            reserve(ports(80, 81, host=number - 1), number)
        other.kill()
    for one in reserve(ports(80, 81, host=number - 1)):
        one.close()


def test_a_conflict_with_a_port_of_udp_names_the_program(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::", 0))
        with pytest.raises(Conflict, match=r"/udp is in use by .* \(pid \d+\)"):
            reserve(ports(53, host=other.getsockname()[1], protocol="udp"))


def test_what_cannot_be_had_is_one_clear_line() -> None:
    with pytest.raises(NotFound, match=r"no interface of this machine has the address 192\.0\.2\.1"):
        reserve(ports(80, address="192.0.2.1"))
    with pytest.raises(InvalidInput, match="port 65536/tcp is above 65535"):
        reserve(ports(80, 81, host=65535))


def test_sctp_is_had_or_said_to_be_absent() -> None:
    try:
        reserve(ports(80, protocol="sctp"))[0].close()
    except Unsupported as error:
        assert str(error) == "this kernel has no SCTP"


def test_a_machine_without_ipv6_has_ports_of_ipv4() -> None:
    needs.root()

    def work() -> None:
        for name in ("all", "default", "lo"):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        with reserve(ports(80, host=8080))[0] as reserved:
            assert reserved.sockets[0].getsockname() == ("0.0.0.0", 8080)
        with pytest.raises(RingfenceError):
            reserve(ports(80, host=8080, address="::1"))

    child.run(work, Clone.NEWNET)


LINE = "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1 ffff 100 0 0 10 0"


def test_a_line_of_the_kernels_table_is_read() -> None:
    assert socketowners.inodes_of_port(f"  sl  local_address ...\n{LINE}\n", 8080) == {4711}
    assert socketowners.inodes_of_port(f"  sl  local_address ...\n{LINE}\n", 80) == set()


@given(st.text() | st.lists(st.sampled_from([*LINE.split(), "\n", ":", "x"])).map(" ".join), st.integers(0, 65535))
def test_any_table_has_inodes_or_none(table: str, port: int) -> None:
    # Invariant: a set of positive numbers that stand in the table, and never an exception.
    assert all(inode and str(inode).isdigit() for inode in socketowners.inodes_of_port(table, port))
