"""Who may: passwords, tokens, credential helpers, and the certificates by which a registry is known."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.errors import Denied, Failed
from tests import needs
from tests.cli.driver import Command
from tests.registry.servers import HTPASSWD, PASSWORD, USER, Made, Registry, digest_of
from tests.registry.test_push import local
from tests.registry.tokens import TokenService, certificate


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants USER and PASSWORD."""
    needs.program("docker-registry")
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    with Registry(tmp_path, auth={"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}}) as running:
        yield running


def test_login_keeps_what_the_registry_accepts_and_logout_forgets_it(
    command: Command, client: Engine, guarded: Registry, home: Path
) -> None:
    name = f"{guarded.host}/private:1"
    local(client, name)
    before = command.run("push", name)
    wrong = command.run("login", "-u", USER, "--password-stdin", guarded.host, input=b"wrong\n")
    right = command.run("login", "-u", USER, "--password-stdin", guarded.host, input=f"{PASSWORD}\n".encode())
    file = home / ".docker/config.json"

    assert before.status == 1 and f"log in with: ringfence login {guarded.host}" in before.err
    assert wrong.status == 1
    refusal = f"refuses the user name and password of {USER}: authentication required"
    assert wrong.err == f"ringfence: {guarded.host}: {refusal}\n"
    assert (right.status, right.out) == (0, "Login Succeeded\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(file.read_text())["auths"]) == [guarded.host]
    command.ok("push", name)
    command.ok("pull", name)
    assert command.ok("login", "--get-login", guarded.host) == USER
    assert command.ok("logout", guarded.host) == f"Removing login credentials for {guarded.host}"
    assert command.run("logout", guarded.host).err == f"ringfence: not logged in to {guarded.host}\n"
    assert command.run("pull", name).status == 1
    command.ok("pull", "--creds", f"{USER}:{PASSWORD}", name)


def test_what_was_not_entered_is_told(command: Command, guarded: Registry) -> None:
    with command.terminal("login", guarded.host) as terminal:
        terminal.expect("Username: ")
        terminal.type(f"{USER}\n")
        terminal.expect("Password: ")
        terminal.type("\x04")  # Ctrl-D
        assert "the user name and password were not entered" in terminal.expect("entered")
        assert terminal.end() == 1
    empty = command.run("login", "-u", USER, "--password-stdin", guarded.host, input=b"\n")
    assert empty.status == 1 and "standard input has no password" in empty.err


def test_other_settings_in_the_file_are_kept(client: Engine, guarded: Registry, home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"psFormat": "table", "auths": {"other": {"auth": "YTpi"}}}')
    client.login(guarded.host, USER, PASSWORD)
    document = json.loads((home / ".docker/config.json").read_text())
    assert document["psFormat"] == "table" and set(document["auths"]) == {"other", guarded.host}


HELPER = """#!/bin/sh
cat >> {log}
echo " $1" >> {log}
case $1 in get) echo '{{"ServerURL": "x", "Username": "{user}", "Secret": "{password}"}}' ;; esac
"""


def test_a_credential_helper_is_asked_and_keeps_what_login_got(client: Engine, guarded: Registry, home: Path) -> None:
    (home / "bin").mkdir()
    helper = home / "bin/docker-credential-test"
    helper.write_text(HELPER.format(log=home / "log", user=USER, password=PASSWORD))
    helper.chmod(0o755)
    for program in ("cat", "sh"):
        (home / "bin" / program).symlink_to(str(shutil.which(program)))
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps({"credHelpers": {guarded.host: "test"}}))
    name = f"{guarded.host}/helped:1"
    local(client, name)

    client.push(name)
    assert client.login(guarded.host, USER, PASSWORD) == ""

    assert (home / "log").read_text().startswith(f"{guarded.host} get")
    assert '"Secret": "secret"' in (home / "log").read_text()
    assert PASSWORD not in (home / ".docker/config.json").read_text()


def test_a_helper_that_is_not_there_is_named(command: Command, guarded: Registry, home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"credsStore": "nosuch"}')
    assert command.run("pull", f"{guarded.host}/x").err == (
        f"ringfence: docker-credential-nosuch: no such program ({home}/.docker/config.json names it)\n"
    )


def test_tokens_are_fetched_for_what_is_done(client: Engine, tmp_path: Path) -> None:
    needs.program("docker-registry", "openssl")
    with TokenService(tmp_path) as service, Registry(tmp_path, auth=service.settings) as guarded:
        name = f"{guarded.host}/team/app:1"
        local(client, name)
        with pytest.raises(Denied):
            client.push(name)
        client.login(guarded.host, USER, PASSWORD)
        client.push(name)
        client.tag(name, f"{guarded.host}/team/other:1")
        client.push(f"{guarded.host}/team/other:1")
        client.logout(guarded.host)
        digest = client.image_store.get(name).digest
        client.rmi(name)

        assert client.pull(name)[0]["Digest"] == digest
        with pytest.raises(Denied, match="refuses us a token: incorrect username or password"):
            client.login(guarded.host, USER, "wrong")

    scopes = [" ".join(query.get("scope", ())) for query in service.asked]
    assert "repository:team/app:pull" in scopes
    assert "repository:team/app:pull,push" in scopes
    assert "repository:team/other:pull,push repository:team/app:pull" in scopes


def test_a_registry_is_trusted_by_the_authority_in_certs_d(client: Engine, home: Path, tmp_path: Path) -> None:
    needs.program("docker-registry", "openssl")
    key, made = certificate(tmp_path)
    with Registry(tmp_path, {"tls": {"certificate": str(made), "key": str(key)}}) as secure:
        name = f"{secure.host}/tls:1"
        local(client, name)
        with pytest.raises(Failed, match="its certificate is not trusted: self-signed certificate"):
            client.push(name)
        client.push(name, tls_verify=False)

        directory = home / ".config/containers/certs.d" / secure.host
        directory.mkdir(parents=True)
        shutil.copy(made, directory / "ca.crt")
        client.push(name)
        (pulled,) = client.pull(name)

    assert pulled["Digest"] == client.image_store.get(name).digest


def test_a_mirror_is_asked_first_and_the_registry_itself_when_it_has_nothing(
    client: Engine, registry: Registry, home: Path, tmp_path: Path
) -> None:
    image = Made([{"a": b"mirrored"}])
    image.put(registry, "mirror/app", "1")
    Made([{"a": b"original"}]).put(registry, "origin/app", "1")
    Made([{"a": b"original"}]).put(registry, "origin/other", "1")
    configuration = home / ".config/containers/registries.conf"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(f"""
[[registry]]
prefix = "registry.invalid"
location = "{registry.host}/origin"
[[registry.mirror]]
location = "{registry.host}/mirror"
[[registry]]
prefix = "blocked.invalid"
blocked = true
[aliases]
short = "registry.invalid/app"
""")
    told: list[str] = []

    (mirrored,) = client.pull("short:1")
    client.pull("registry.invalid/other:1", tell=lambda event: told.append(event["status"]))

    assert mirrored["Name"] == "registry.invalid/app:1"
    assert mirrored["Digest"] == digest_of(image.data)
    assert any(f"trying {registry.host}/origin/other" in line for line in told)
    with pytest.raises(Denied, match=r"blocked\.invalid/x: blocked by the registries' configuration"):
        client.pull("blocked.invalid/x")
    assert os.listdir(f"{client.root}/content/ingest") == []
