"""Git repositories as contexts and for ADD, from a real git daemon and from a server that only has files."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.build import build
from ringfence.build.git import Repository, fetch, is_git
from ringfence.errors import Corrupt, Failed, NotFound, RingfenceError, Unsupported
from tests import needs
from tests.build.conftest import Builder
from tests.registry.servers import free_port

PATIENCE = 20.0  # seconds
AUTHOR = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]


class Upstream:
    """A repository with two commits, served: on main and as v1 the first, on next the second."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "app.git"
        self.directory.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit({"Dockerfile": "FROM host\nCOPY . /app\n", "text": "first", "sub/Dockerfile":
                                  "FROM host\nCOPY name /name\n", "sub/name": "sub"})  # fmt: skip
        self.git("tag", "v1")
        self.git("checkout", "--quiet", "-b", "next")
        self.second = self.commit({"text": "second"})
        self.git("checkout", "--quiet", "main")

    def git(self, *words: str) -> str:
        command = ["git", *AUTHOR, "-C", str(self.directory), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, files: dict[str, str]) -> str:
        for name, content in files.items():
            (self.directory / name).parent.mkdir(exist_ok=True)
            (self.directory / name).write_text(content)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    needs.program("git")
    (tmp_path / "upstream").mkdir()
    return Upstream(tmp_path / "upstream")


@pytest.fixture
def daemon(upstream: Upstream) -> Iterator[str]:
    """The URL of the repository at a git daemon, with its history cut off at will."""
    port = free_port()
    base = str(upstream.directory.parent)
    daemon = ["git", "daemon", "--export-all", f"--base-path={base}", "--listen=127.0.0.1", f"--port={port}", base]
    process = subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
    yield f"git://127.0.0.1:{port}/app.git"
    os.killpg(process.pid, 9)
    process.wait()


@pytest.fixture
def files(upstream: Upstream) -> Iterator[str]:
    """The URL of the repository at an HTTP server that knows nothing of git."""
    bare = upstream.directory.parent / "bare.git"
    upstream.git("clone", "--quiet", "--bare", ".", str(bare))
    subprocess.run(["git", "-C", bare, "update-server-info"], check=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bare.parent)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/bare.git"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_context_is_a_branch_a_tag_a_commit_and_a_directory_of_it(
    builder: Builder, upstream: Upstream, daemon: str
) -> None:
    texts = {"": "first", "#next": "second", "#v1": "first", f"#{upstream.second}": "second",
             f"#{upstream.second[:9]}": "second"}  # fmt: skip
    for fragment, text in texts.items():
        built = build(builder.engine, f"{daemon}{fragment}")
        assert builder.run(built, "sh", "-c", "cat /app/text; ls -A /app") == f"{text}Dockerfile\nsub\ntext\n"
    assert builder.read(build(builder.engine, f"{daemon}#next:sub"), "/name") == "sub"
    assert os.listdir(f"{builder.engine.root}/scratch") == []


def test_a_server_that_only_has_files_is_enough(builder: Builder, files: str) -> None:
    assert builder.read(build(builder.engine, files), "/app/text") == "first"
    assert builder.read(build(builder.engine, f"{files}#next"), "/app/text") == "second"


def test_a_repository_of_this_machine_is_a_context_and_nothing_that_a_dockerfile_may_add(
    builder: Builder, fails: Callable[..., str], upstream: Upstream
) -> None:
    here = f"file://{upstream.directory}"
    assert builder.read(build(builder.engine, f"{here}#next:sub"), "/name") == "sub"
    assert builder.read(build(builder.engine, f"{here}#{upstream.second[:9]}"), "/app/text") == "second"
    upstream.git("checkout", "--quiet", "-b", "modules", "main")
    upstream.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", here, "inner")
    upstream.commit({"text": "outer"})
    with pytest.raises(Failed, match="git submodule: fatal: transport 'file' not allowed"):
        build(builder.engine, f"{here}#modules")
    assert "is not in the build context" in fails(f"FROM host\nADD {here} /x\n")


def test_what_ssh_says_is_told(builder: Builder) -> None:
    needs.program("git", "ssh")
    port = free_port()
    with pytest.raises(Failed, match=f"git fetch: ssh: connect to host 127.0.0.1 port {port}: Connection refused"):
        build(builder.engine, f"ssh://127.0.0.1:{port}/app.git")


def test_add_takes_a_repository_as_a_directory(builder: Builder, upstream: Upstream, daemon: str) -> None:
    built = builder(f"FROM host\nADD {daemon}#next:sub /sub\nADD --keep-git-dir=true {daemon} /all\n")
    assert builder.run(built, "ls", "-A", "/sub").split() == ["Dockerfile", "name"]
    assert builder.run(built, "ls", "-A", "/all").split() == [".git", "Dockerfile", "sub", "text"]
    again = builder(f"FROM host\nADD --checksum={upstream.first[:12]} {daemon}#v1 /v1\n")
    assert builder.read(again, "/v1/text") == "first"
    builder(f"FROM host\nADD {daemon}#v1 /v1\n")
    assert "--> cached" in builder.told


@pytest.mark.parametrize(
    ("fragment", "error", "message"),
    [
        ("#nosuch", NotFound, "has no branch, tag or commit nosuch"),
        ("#main:nosuch", NotFound, "there is no directory nosuch in it"),
        ("#main:text", NotFound, "there is no directory text in it"),
        ("#--upload-pack=touch$IFS/tmp/x", RingfenceError, "no branch, tag or commit is called --upload-pack"),
    ],
)
def test_what_is_not_there_is_one_line(
    builder: Builder, daemon: str, fragment: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        build(builder.engine, daemon + fragment)
    assert "\n" not in str(caught.value)
    assert os.listdir(f"{builder.engine.root}/scratch") == []


def test_a_repository_that_is_not_there_is_one_line_without_the_password(builder: Builder, files: str) -> None:
    url = files.replace("http://", "http://me:secret@").replace("bare", "nosuch")
    with pytest.raises(Failed, match=r"git fetch: fatal: .*not found") as caught:
        build(builder.engine, url)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_wrong_checksum_is_refused(fails: Callable[..., str], daemon: str) -> None:
    assert "instead of 0123" in fails(f"FROM host\nADD --checksum=0123 {daemon} /x\n")
    assert issubclass(Corrupt, RingfenceError)


def test_no_link_of_a_repository_leads_out_of_it(builder: Builder, upstream: Upstream, daemon: str) -> None:
    (upstream.directory / "out").symlink_to("/etc")
    upstream.git("checkout", "--quiet", "-b", "links")
    upstream.commit({"more": ""})
    with pytest.raises(NotFound, match="there is no directory out in it"):
        build(builder.engine, f"{daemon}#links:out")


def test_a_submodule_is_fetched_and_is_never_a_directory_of_this_machine(
    builder: Builder, upstream: Upstream, daemon: str
) -> None:
    upstream.git("checkout", "--quiet", "-b", "modules", "main")
    upstream.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--branch", "next", daemon, "inner")
    upstream.commit({"text": "outer"})
    assert builder.read(build(builder.engine, f"{daemon}#modules"), "/app/inner/text") == "second"
    upstream.git("config", "--file", ".gitmodules", "submodule.inner.url", str(upstream.directory))
    upstream.commit({"text": "hostile"})
    with pytest.raises(Failed, match="git submodule: fatal: transport 'file' not allowed"):
        build(builder.engine, f"{daemon}#modules")


def test_without_git_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="needs the program git"):
        fetch(Repository("https://example.org/a.git"), str(tmp_path / "into"), {"PATH": "/nosuch"})


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("https://example.org/a.git#main:dir", True), ("git@example.org:a/b", True), ("ssh://example.org/a", True),
        ("https://example.org/a.tar", False), ("directory.git", False), ("https://example.org/a?x=.git", False),
    ],
)  # fmt: skip
def test_repositories_are_told_from_other_places(place: str, found: bool) -> None:
    assert is_git(place) == found


def test_a_place_has_a_remote_a_ref_and_a_directory() -> None:
    place = Repository("https://me:secret@example.org/a.git#main:/some/dir/")
    assert (place.remote, place.ref, place.directory) == ("https://me:secret@example.org/a.git", "main", "some/dir")
    assert place.shown == "https://me@example.org/a.git#main:/some/dir/"
    with pytest.raises(Unsupported, match="queries are not built yet"):
        Repository("https://example.org/a.git?ref=main")


@given(st.text())
def test_any_text_is_a_place_or_one_clear_line(text: str) -> None:
    # Invariant: a place is shown on one line, and its ref is never a flag of git's.
    try:
        place = Repository(text)
    except RingfenceError as error:
        assert "\n" not in str(error)
    else:
        assert "\n" not in place.shown and not place.ref.startswith("-")


@given(st.text(alphabet="abc", min_size=1), st.text(alphabet="XYZ:", min_size=1))
def test_no_password_is_shown(user: str, password: str) -> None:
    # Invariant: what stands between the user's name and the @ is not there.
    shown = Repository(f"https://{user}:{password}@example.org/a.git#main").shown
    assert shown == f"https://{user}@example.org/a.git#main"
