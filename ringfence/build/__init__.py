"""Building images from Dockerfiles: from the text to stages, from stages to layers, on the engine's own containers.

Docker's "Dockerfile reference" is what is understood, docker's and podman's `build` what is offered. `build` is the
library's front door; each instruction is carried out in the module of its subject (copy, run, settings, workdir).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from ringfence.build.progress import Write
    from ringfence.engine import Engine


class Built:
    """What was built: `ids`, the image ID "sha256:…" for each platform, of which `id` is the last; the digest of the
    manifest, or of the manifest list of several platforms; and the names as people write them."""

    __slots__ = ("digest", "ids", "names")

    def __init__(self, ids: list[str], digest: str, names: list[str]) -> None:
        self.ids = ids
        self.digest = digest
        self.names = names

    @property
    def id(self) -> str:
        return self.ids[-1]

    def __repr__(self) -> str:
        return f"Built({self.id!r}, {self.names!r})"


def build(
    engine: Engine,
    context: str = ".",
    *,
    file: str = "",
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    write: Write | None = None,
    environ: Mapping[str, str] | None = None,
    **options: object,
) -> Built:
    """Build an image from the directory `context`, the URL of a tar archive or of a git repository, or what `stdin` has
    ("-").

    `file` is the Dockerfile ("-": on `stdin`). `write` is given the progress as lines of bytes. `options` are the flags
    of `ringfence build` in snake case: tag, target, build_arg, secret, ssh, platform, manifest, cache_from, cache_to,
    no_cache, squash, output, push, label, annotation, network, pull, build_context, allow, source_date_epoch, jobs,
    from_, ignorefile, env, unsetenv, tls_verify, creds, authfile, cert_dir, and of `run`: add_host, ulimit,
    memory, …

    RunFailed (with `exit_code`) if a RUN step's program fails; InvalidInput quotes the line that is wrong.
    """
    from contextlib import ExitStack

    from ringfence.build import output, transfer
    from ringfence.build.context import Context
    from ringfence.build.dockerfile import Dockerfile
    from ringfence.build.graph import Build
    from ringfence.build.options import BuildOptions
    from ringfence.build.progress import Progress
    from ringfence.build.ssh_agent import Agent
    from ringfence.engine import events, scratch
    from ringfence.images import make
    from ringfence.oci.platform import Platform
    from ringfence.oci.reference import Reference

    checked = BuildOptions(options, environ)
    names = [name for tag in checked.tags for name in make.check_name(tag)]
    familiar = [Reference.parse(name).familiar for name in names]
    progress = Progress(write)
    for directory in (engine.root, engine.state):
        scratch.sweep(directory)
    with engine.content.lease(), ExitStack() as opened:
        opened.callback(setattr, engine, "access", engine.access)
        engine.access = {**engine.access, **checked.access}
        agents = {id: ssh.socket or opened.enter_context(Agent(engine, ssh.keys)) for id, ssh in checked.ssh.items()}
        keep_git = checked.arguments.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "") in ("1", "true")
        place = opened.enter_context(
            Context(engine, context, stdin, file, keep_git=keep_git, agent=agents.get("default", ""),
                    ignore_file=checked.ignore_file)
        )  # fmt: skip
        dockerfile = Dockerfile(place.dockerfile, place.file)
        transfer.read_all(engine, checked.cache_from, progress)
        results: list[output.Result] = []
        keys: list[str] = []
        for platform in checked.platforms or [""]:
            if len(checked.platforms) > 1:
                progress.line(0, f"platform {platform}")
            work = Build(engine, dockerfile, place, checked, agents, progress, platform)
            draft = work.carry_out()
            if checked.squash:
                from ringfence.build.squash import squash

                draft = squash(engine, work, draft)
            tagged = len(checked.platforms) < 2 or work.platform == Platform.host()
            image = output.store(engine, work, draft, names if tagged else [])
            results.append(output.Result(work, draft, image))
            keys += work.used_keys
        transfer.write_all(engine, checked.cache_to, keys, progress)
        digest = output.write_all(engine, checked, results, familiar, stdout)
    for name in familiar:
        progress.line(0, f"tagged {name}")
    for result in results:
        id = result.image.id
        events.emit(engine, "image", "build", id, {"name": familiar[0] if familiar else id})
    return Built([result.image.id for result in results], digest, familiar)
