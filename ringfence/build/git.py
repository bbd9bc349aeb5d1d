"""Git repositories, as contexts and for ADD: `REMOTE#REF:DIRECTORY`, fetched by the git program for the build alone.

Docker's reference of `build`, "Git repositories": REF is a branch, a tag or a commit (else the remote's HEAD), fetched
without its history if the server can do so, with its submodules; no hook runs, and nobody is asked for a password.
"""

from __future__ import annotations

import os

from ringfence.errors import Corrupt, Failed, InvalidInput, NotFound, Unsupported
from ringfence.linux.paths import Root
from ringfence.linux.trees import remove_tree
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_A_REPOSITORY = (  # variables that git sets for its hooks: about another repository
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX",
    "GIT_NAMESPACE", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
_CONFIG = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
           "-c", "core.autocrlf=false")  # fmt: skip


def is_git(place: str) -> bool:
    """Whether docker takes this for a git repository."""
    return place.startswith(("git://", "git@", "ssh://")) or (
        place.startswith(("http://", "https://")) and place.partition("#")[0].partition("?")[0].endswith(".git")
    )


class Repository:
    """What `REMOTE#REF:DIRECTORY` names; `shown` is it without a password."""

    __slots__ = ("directory", "ref", "remote", "shown")

    def __init__(self, text: str) -> None:
        self.remote, _, fragment = text.partition("#")
        self.ref, _, directory = fragment.partition(":")
        self.directory = directory.strip("/")
        self.shown = printable(_without_password(text))
        if "?" in self.remote:
            raise Unsupported(f"{self.shown}: queries are not built yet", hint="write REMOTE#REF:DIRECTORY")
        if self.ref.startswith("-"):
            raise InvalidInput(f"{self.shown}: no branch, tag or commit is called {self.ref}")


def fetch(repository: Repository, into: str, environment: Mapping[str, str], *, keep_git: bool = False,
          agent: str = "", checksum: str = "", local: bool = False) -> str:  # fmt: skip
    """Check it out into the new directory `into`; returns the directory that was asked for, which lies in there.

    `environment` is the program's: PATH, HOME, and so on. `agent` is the socket of an ssh agent, `checksum`
    what the commit's ID must begin with (else Corrupt). `local`: the repository itself, though none of its submodules,
    may be a file:// URL. Failed with git's own words; NotFound if the directory is not there.
    """
    git = _Git(repository, into, environment, agent, local)
    git("init", "--quiet", "--template=", into, inside=False)
    git("remote", "add", "origin", repository.remote)
    commit = git.commit(repository.ref)
    if not commit.startswith(checksum):
        raise Corrupt(f"{repository.shown}: is at commit {commit} instead of {printable(checksum)}")
    git("checkout", "--quiet", "--detach", commit)
    if os.path.exists(f"{into}/.gitmodules"):
        git("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    if not keep_git:
        remove_tree(f"{into}/.git")
    try:
        with Root(into) as root, root.open(repository.directory or "/", os.O_PATH | os.O_DIRECTORY) as found:
            return os.readlink(found.path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{repository.shown}: there is no directory {repository.directory} in it") from None


class _Git:
    """The program, working for one repository."""

    def __init__(self, repository: Repository, directory: str, environment: Mapping[str, str], agent: str,
                 local: bool) -> None:  # fmt: skip
        import shutil

        self._repository = repository
        self._directory = directory
        self._allowed = ("-c", "protocol.file.allow=always") if local else ()
        path = environment.get("PATH", os.defpath)
        self._program = shutil.which("git", path=path)
        if self._program is None:
            raise Unsupported(f"{repository.shown}: needs the program git", hint="install it, or fetch beforehand")
        self._environment = {name: value for name, value in environment.items() if name not in _OF_A_REPOSITORY}
        self._environment |= {
            "PATH": path,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": environment.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "GIT_PROTOCOL_FROM_USER": "0",  # a repository's submodules may not be this machine's directories
            **({"SSH_AUTH_SOCK": agent} if agent else {}),
        }

    def commit(self, ref: str) -> str:
        """The ID of the commit, which is fetched: alone, or with everything where a server cannot give it alone."""
        try:
            self(*self._allowed, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", ref or "HEAD")
            return self("rev-parse", "FETCH_HEAD^{commit}")
        except Failed as error:
            if not ref and "dumb" not in error.what:
                raise
        everything = ("--tags", "origin", "HEAD", "+refs/heads/*:refs/remotes/origin/*")
        self(*self._allowed, "fetch", "--quiet", *everything)
        for name in (f"origin/{ref}", f"refs/tags/{ref}", ref) if ref else ("FETCH_HEAD",):
            try:
                return self("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            except Failed:
                continue
        raise NotFound(f"{self._repository.shown}: has no branch, tag or commit {ref}")

    def __call__(self, *words: str, inside: bool = True) -> str:
        import subprocess

        assert self._program is not None
        where = ("-C", self._directory) if inside else ()
        done = subprocess.run([self._program, *_CONFIG, *where, *words], env=self._environment, umask=0o022,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")  # fmt: skip
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            told = printable(_without_password(_reason(lines)))
            verb = words[2] if words[0] == "-c" else words[0]
            raise Failed(f"{self._repository.shown}: git {verb}: {told}")
        return done.stdout.strip()


def _reason(lines: list[str]) -> str:
    """The line of git's messages that says why; before "could not read" it is ssh that says it."""
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith(("fatal:", "error:")):
            return before if before and "Could not read from remote" in line else line
    return lines[-1]


def _without_password(text: str) -> str:
    """A text about a URL, without what stands between a user's name and the @."""
    scheme, slashes, rest = text.partition("://")
    user, at, place = rest.partition("@")
    if not slashes or not at or "/" in user:
        return text
    return f"{scheme}://{user.partition(':')[0]}@{place}"
