"""The forwarder serves published ports on the loopback and between the families, is small and confined, and ends."""

from __future__ import annotations

import os
import random
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringfence.errors import Conflict
from ringfence.linux import pidfd
from ringfence.network import forwarder
from ringfence.network.firewall import Firewall
from ringfence.network.ports import reserve
from ringfence.network.values import Port
from ringfence.runtime import helper
from tests import needs
from tests.network.hosts import HERE, SILENCE, WEB, Machine, Space, ask, on_machine, seen

LOOPBACK = ("127.0.0.1", "127.0.0.2", "::1")
HERE_8080 = ("127.0.0.1", 8080)
BOTH = [Port(80, 8080), Port(80, 8080, protocol="udp")]


@contextmanager
def forwarding(file: Path, ports: list[Port], addresses: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A forwarder for a container that is no more than the process given."""
    with subprocess.Popen(["sleep", "600"]) as container:
        try:
            begin(file, ports, addresses, container.pid)
            yield container
        finally:
            container.kill()
    until_ended(file)


def begin(file: Path, ports: list[Port], addresses: list[str], pid: int) -> None:
    reserved = [one for port in ports for one in reserve([port])]
    with pidfd.open(pid) as process:
        forwarder.start(helper.path(), "box", reserved, addresses, process, str(file))
    for one in reserved:
        one.close()


def until_ended(file: Path) -> None:
    deadline = time.monotonic() + 5
    while forwarder.running(str(file)):
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.005)


def test_every_address_is_served_without_nftables_and_the_loopback_beside_it(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        for protocol in ("tcp", "udp"):
            web.serve(80, protocol)
        before = seen()
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            firewall = Firewall("ringfence-test")
            for translated in (False, True):
                if translated:
                    firewall.open_network(WEB)
                    firewall.publish("box", BOTH, web.addresses)
                for protocol in ("tcp", "udp"):
                    for address in LOOPBACK:
                        gateway = "fd00:78::1" if ":" in address else "10.78.0.1"
                        assert ask(address, 8080, protocol) == f"{web.name} {gateway}"
                    for here in HERE.values():
                        assert ask(here, 8080, protocol).startswith(f"{web.name} ")
                        assert machine.outside.ask(here, 8080, protocol).startswith(f"{web.name} ")
            firewall.close_network(WEB)
        assert seen() == before

    on_machine(work)


def test_one_family_leads_to_the_other_if_the_container_has_no_more(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        for number, family in enumerate((4, 6)):
            web = machine.container(WEB, family)
            for protocol in ("tcp", "udp"):
                web.serve(80, protocol)
            ports = [Port(80, 8080 + number, protocol=protocol) for protocol in ("tcp", "udp")]
            with forwarding(tmp_path / f"lock{number}", ports, web.addresses):
                for protocol in ("tcp", "udp"):
                    for address in (*LOOPBACK, *HERE.values()):
                        assert ask(address, 8080 + number, protocol).startswith(f"{web.name} ")
                    assert machine.outside.ask(HERE[10 - family], 8080 + number, protocol).startswith(f"{web.name} ")

    on_machine(work)


def test_a_link_local_address_is_served(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        for protocol in ("tcp", "udp"):
            web.serve(80, protocol)
        command = "ip -6 -o address show dev ext0 scope link"
        address = subprocess.check_output(["sh", "-c", command], text=True).split()[3].partition("/")[0] + "%eth0"
        firewall = Firewall("ringfence-test")
        firewall.open_network(WEB)
        firewall.publish("box", BOTH, web.addresses)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            for protocol in ("tcp", "udp"):
                assert machine.outside.ask(address, 8080, protocol) == f"{web.name} fd00:78::1"

    on_machine(work)


def test_ports_of_one_address_and_ranges_are_served_there_alone(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        for port in (81, 82, 83):
            web.serve(port)
        with subprocess.Popen(["sleep", "600"]) as container:
            reserved = reserve([Port(81, 9001, "127.0.0.1"), Port(82, 0, "127.0.0.1"), Port(83, 0, "127.0.0.1")])
            with pidfd.open(container.pid) as process:
                forwarder.start(helper.path(), "box", reserved, web.addresses, process, str(tmp_path / "lock"))
            for one in reserved:
                one.close()
            for port in (9001, 9002, 9003):
                assert ask("127.0.0.1", port).startswith(web.name)
                assert ask("127.0.0.2", port) == machine.outside.ask(HERE[4], port) == "refused"
            container.kill()
        until_ended(tmp_path / "lock")

    on_machine(work)


def test_a_thousand_ports_are_reserved_and_served_whatever_the_soft_limit_of_descriptors(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(999)
        ports = [Port(port, 10000 if port == 1 else 0) for port in range(1, 1001)]
        with subprocess.Popen(["sleep", "600"]) as container:
            reserved = reserve(ports)
            with pidfd.open(container.pid) as process:
                forwarder.start(helper.path(), "box", reserved, web.addresses, process, str(tmp_path / "lock"))
            for one in reserved:
                one.close()
            assert ask("127.0.0.1", 10998).startswith(web.name)
            container.kill()
        until_ended(tmp_path / "lock")

    on_machine(work)


def transfer(machine: Machine, web: Space, work: object) -> None:
    """With the server's side of a connection through port 8080 in a thread: `work` is called with that socket."""
    listener = web.do(lambda: socket.create_server(("0.0.0.0", 80)))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            work(connection)  # type: ignore[operator]

    threading.Thread(target=serve, daemon=True).start()


def test_what_is_sent_arrives_whole_and_each_side_may_end_before_the_other(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        there, back = random.Random(1).randbytes(30 << 20), random.Random(2).randbytes(20 << 20)
        received = []

        def serve(connection: socket.socket) -> None:
            received.append(read_all(connection))
            connection.sendall(back)

        transfer(machine, web, serve)
        with forwarding(tmp_path / "lock", BOTH, web.addresses), socket.create_connection(HERE_8080) as client:
            client.sendall(there)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == back
        assert received == [there]

    on_machine(work)


def test_both_directions_at_once_go_on_while_the_other_waits(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)

        def echo(connection: socket.socket) -> None:
            while data := connection.recv(1 << 16):
                connection.sendall(data)

        transfer(machine, web, echo)
        data = random.Random(3).randbytes(20 << 20)
        with forwarding(tmp_path / "lock", BOTH, web.addresses), socket.create_connection(HERE_8080) as client:

            def send() -> None:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)

            threading.Thread(target=send, daemon=True).start()
            assert read_all(client) == data

    on_machine(work)


def test_who_does_not_read_stops_the_sender_and_costs_no_processor_time(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        released = threading.Event()
        transfer(machine, web, lambda connection: (released.wait(20), connection.shutdown(socket.SHUT_RDWR)))
        with forwarding(tmp_path / "lock", BOTH, web.addresses), socket.create_connection(HERE_8080) as client:
            client.settimeout(0.5)
            sent = 0
            with pytest.raises(TimeoutError):
                while True:
                    sent += client.send(bytes(1 << 20))
            assert sent < 64 << 20
            pid = forwarder.running(str(tmp_path / "lock"))
            before = processor_time(pid)
            time.sleep(0.5)
            assert processor_time(pid) - before <= 2  # hundredths of a second
            released.set()

    on_machine(work)


def test_a_connection_is_reset_if_nobody_listens_inside_and_others_go_on(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            for _ in range(3):
                assert ask("127.0.0.1", 8080) == "refused"  # accepted, then reset
                assert ask("127.0.0.1", 8080, "udp", SILENCE) == "silence"
            for protocol in ("tcp", "udp"):
                web.serve(80, protocol)
                assert ask("127.0.0.1", 8080, protocol).startswith(web.name)

    on_machine(work)


def test_hundreds_of_connections_at_once_are_served_and_all_their_descriptors_closed(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(80)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            descriptors = Path(f"/proc/{forwarder.running(str(tmp_path / 'lock'))}/fd")
            before = len(os.listdir(descriptors))
            clients = [socket.create_connection(HERE_8080) for _ in range(400)]
            assert {client.recv(100) for client in clients} == {f"{web.name} 10.78.0.1".encode()}
            for client in clients:
                client.close()
            deadline = time.monotonic() + 5
            while len(os.listdir(descriptors)) > before + 2 * 8:  # some empty pipes are kept
                assert time.monotonic() < deadline
                time.sleep(0.01)

    on_machine(work)


def test_its_sockets_can_be_shared_while_connections_come_and_go(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(80)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            over = threading.Event()

            def come_and_go() -> None:
                while not over.is_set():
                    socket.create_connection(HERE_8080).close()

            client = threading.Thread(target=come_and_go)
            client.start()
            try:
                for _ in range(500):
                    shared = forwarder.share(str(tmp_path / "lock"), BOTH)
                    assert [one.port.protocol for one in shared] == ["tcp", "udp"]
                    for one in shared:
                        one.close()
            finally:
                over.set()
                client.join()

    on_machine(work)


def test_who_cannot_be_accepted_for_want_of_descriptors_waits_and_costs_no_processor_time(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(80)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            pid = forwarder.running(str(tmp_path / "lock"))
            enough = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, enough[1]))
            with socket.create_connection(HERE_8080, timeout=5) as client:
                before = processor_time(pid)
                time.sleep(0.5)
                assert processor_time(pid) - before <= 2  # hundredths of a second
                resource.prlimit(pid, resource.RLIMIT_NOFILE, enough)
                assert client.recv(100) == f"{web.name} 10.78.0.1".encode()

    on_machine(work)


def test_clients_of_udp_are_told_apart_answered_from_where_they_asked_and_bounded(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        server = web.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("0.0.0.0", 80))
        server.settimeout(5)
        with forwarding(tmp_path / "lock", BOTH, web.addresses):
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
            for number, client in enumerate(clients):
                client.settimeout(5)
                client.sendto(b"%d" % number * (1 if number else 60000), (f"127.0.0.{number + 1}", 8080))
            for data, caller in [server.recvfrom(65536) for _ in clients]:
                server.sendto(data, caller)
            for number, client in enumerate(clients):
                data, source = client.recvfrom(65536)
                assert (data[:1], source) == (b"%d" % number, (f"127.0.0.{number + 1}", 8080))
                assert len(data) == (1 if number else 60000)

            pid = forwarder.running(str(tmp_path / "lock"))
            for _ in range(3000):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.sendto(b"", ("127.0.0.1", 8080))
            assert len(os.listdir(f"/proc/{pid}/fd")) < 1100

    on_machine(work)


def test_it_weighs_little_and_may_do_nothing_but_forward(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(80)
        with open(tmp_path / "secret", "w") as inherited, forwarding(tmp_path / "lock", BOTH, web.addresses):
            os.set_inheritable(inherited.fileno(), True)
            assert ask("127.0.0.1", 8080).startswith(web.name)
            pid = forwarder.running(str(tmp_path / "lock"))
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
            assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
            assert status["PPid"] != str(os.getpid())
            links = {os.readlink(link).split(":")[0] for link in Path(f"/proc/{pid}/fd").iterdir()}
            assert links <= {"/dev/null", "anon_inode", "socket", "pipe", str(tmp_path / "lock")}
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in rollup[1:]}
            assert kilobytes["Pss_Anon"] < 60, rollup
            assert kilobytes["Pss"] < 200, rollup  # alone; its text is shared with the monitors of all containers

    on_machine(work)


def test_it_ends_with_the_container_and_is_started_again_if_it_was_killed(tmp_path: Path) -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        web.serve(80)
        file = tmp_path / "lock"
        assert forwarder.running(str(file)) == 0
        with forwarding(file, BOTH, web.addresses) as container:
            with pytest.raises(Conflict, match=r"port 8080/tcp is in use by the container box"):
                reserve([Port(80, 8080)])
            other = reserve([Port(80, 8081)])
            with pidfd.open(container.pid) as process, pytest.raises(Conflict, match="runs already"):
                forwarder.start(helper.path(), "box", other, web.addresses, process, str(file))
            other[0].close()
            for _ in range(2):
                forwarder.stop(str(file))
                assert forwarder.running(str(file)) == 0
                assert ask("127.0.0.1", 8080) == "refused"
            begin(file, BOTH, web.addresses, container.pid)
            assert ask("127.0.0.1", 8080).startswith(web.name)
        assert ask("127.0.0.1", 8080) == "refused"

    on_machine(work)


def test_it_takes_no_more_processor_time_than_docker_proxy(tmp_path: Path) -> None:
    needs.program("docker-proxy", "iperf3")

    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        server = web.do(lambda: subprocess.Popen(["iperf3", "-s"], stdout=subprocess.DEVNULL))
        command = ["docker-proxy", "-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", "9000"]
        inside = ["-container-ip", web.addresses[0], "-container-port", "5201"]
        told, tell = os.pipe()
        script = f'exec "$@" 3>/proc/self/fd/{tell}'  # by descriptor 3 it says that it is up
        proxy = subprocess.Popen(["sh", "-c", script, "sh", *command, *inside], pass_fds=[tell])
        try:
            assert os.read(told, 1) == b"0"
            with forwarding(tmp_path / "lock", [Port(5201, 8080)], web.addresses):
                pid = forwarder.running(str(tmp_path / "lock"))
                ours, theirs = [
                    min(_processor_time_of_transfer(process, port) for _ in range(2))
                    for process, port in ((pid, 8080), (proxy.pid, 9000))
                ]
            assert ours <= 1.1 * theirs, f"{ours} hundredths of a second against {theirs}"
        finally:
            for process in (server, proxy):
                process.kill()
                process.wait()

    on_machine(work)


def _processor_time_of_transfer(pid: int, port: int) -> int:
    before = processor_time(pid)
    deadline = time.monotonic() + 10
    argv = ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", "1G"]
    while subprocess.run(argv, stdout=subprocess.DEVNULL).returncode:  # it is not up yet, or busy with the last one
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return processor_time(pid) - before


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while data := connection.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def processor_time(pid: int) -> int:
    """In hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
