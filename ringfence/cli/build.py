"""`ringfence build`: an image from a Dockerfile."""

from __future__ import annotations

import os
import sys

from ringfence.cli import access, exitcodes, streams
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb
from ringfence.engine.options import OPTIONS
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

PROGRESS = ("auto", "plain", "quiet")
_OF_RUN = (
    "add-host", "cap-add", "cap-drop", "cgroup-parent", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus",
    "cpuset-mems", "device", "dns", "dns-option", "dns-search", "memory", "memory-swap", "security-opt", "shm-size",
    "ulimit",
)  # fmt: skip


def _of_run() -> list[Flag]:
    rows = [OPTIONS[name.replace("-", "_")] for name in _OF_RUN]
    return [Flag(row.name, row.doc, row.short, row.kind, metavar=row.metavar) for row in rows]


FLAGS = (
    *access.FLAGS,
    access.CREDS,
    access.TRUST,
    *(flag for flag in access.PLATFORM if flag.name != "platform"),
    Flag("allow", "Allow RUN --security=insecure (security.insecure)", kind="list"),
    Flag("annotation", "Set an annotation of the image's manifest (KEY=VALUE)", kind="list"),
    Flag("build-arg", "Set a build argument (NAME=VALUE, or NAME for the caller's value)", kind="list"),
    Flag("build-context", "Name a further context (NAME=DIRECTORY, NAME=docker-image://IMAGE)", kind="list"),
    Flag("cache-from", "Take steps from there, too (type=local,src=DIRECTORY; type=registry,ref=NAME)", kind="list"),
    Flag("cache-to", "Write the steps to a cache (type=local,dest=DIRECTORY; type=registry,ref=NAME)", kind="list"),
    Flag("compress", "The context is not sent anywhere: accepted and without effect", hidden=True),
    Flag("env", "Set a variable of the image (NAME=VALUE)", kind="list"),
    Flag("file", "Dockerfile (default: PATH/Dockerfile, PATH/Containerfile; - for standard input)", "f", "value"),
    Flag("force-rm", "Nothing is ever left behind: accepted and without effect", hidden=True),
    Flag("format", "Form of the image: oci", kind="value", default="oci"),
    Flag("from", "Take this image as that of the first FROM", kind="value"),
    Flag("ignorefile", "Take this file instead of the context's .dockerignore", kind="value"),
    Flag("isolation", "Isolation of RUN steps: oci", kind="value", default="oci", hidden=True),
    Flag("jobs", "As many RUN steps at once (0: as many as there are CPUs)", kind="value"),
    Flag("iidfile", "Write the image ID to this file", kind="value"),
    Flag("label", "Set a label of the image (KEY=VALUE)", kind="list"),
    Flag("layers", "Steps are always cached: accepted and without effect", hidden=True, default=True),
    Flag("load", "The image is always stored here: accepted and without effect", hidden=True),
    Flag("network", "Network of RUN steps: host, none", kind="value", default="host"),
    Flag("no-cache", "Take nothing from the cache"),
    Flag("no-cache-filter", "Take nothing from the cache for these stages", kind="list"),
    Flag("output", "Where the result goes: a directory, - for a tar, type=local|tar|oci|docker|registry,dest=PATH", "o",
         "list"),
    Flag("manifest", "Take what is built into this manifest list, which is made if need be", kind="value"),
    Flag("platform", "Platform of the image (OS[/ARCHITECTURE[/VARIANT]]); several, with commas, make a manifest list",
         kind="list"),
    Flag("progress", "How progress is told: auto, plain, quiet", kind="value", default="auto"),
    Flag("pull", "Fetch the base images even if they are here"),
    Flag("push", "Push the image under its names"),
    Flag("quiet", "Print only the image ID", "q"),
    Flag("rm", "Nothing is ever left behind: accepted and without effect", hidden=True, default=True),
    Flag("secret", "Give a secret to RUN --mount=type=secret (id=ID,src=FILE or id=ID,env=NAME)", kind="list"),
    Flag("source-date-epoch", "Date everything that is made: seconds since 1970", kind="value"),
    Flag("squash", "Make one layer of all that the build adds"),
    Flag("ssh", "Give an agent to RUN --mount=type=ssh (default, ID=SOCKET, or ID=KEY[,KEY...])", kind="list"),
    Flag("timestamp", "", kind="value", alias_of="source-date-epoch"),
    Flag("unsetenv", "Take a variable out of the image", kind="list"),
    Flag("tag", "Name of the image (NAME[:TAG])", "t", "list"),
    Flag("target", "Build this stage", kind="value"),
    *_of_run(),
)
_OURS = (
    "arch", "compress", "disable-content-trust", "file", "force-rm", "format", "iidfile", "isolation", "layers", "load",
    "os", "progress", "quiet", "rm", "variant",
)  # fmt: skip


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence import build
    from ringfence.build.run import RunFailed
    from ringfence.cli import main
    from ringfence.cli.progress import Screen

    progress = arguments.text("progress")
    if progress not in PROGRESS:
        raise UsageError(f'invalid argument "{progress}" for "--progress" flag: must be one of {", ".join(PROGRESS)}')
    quiet = arguments.on("quiet") or progress == "quiet"
    options = arguments.options(*_OURS)
    if "from" in options:
        options["from_"] = options.pop("from")
    if any(name in arguments.given for name in ("arch", "os", "variant")):
        options["platform"] = access.platform(arguments)
    for name, only in (("format", ("oci",)), ("isolation", ("oci", "default"))):
        if arguments.text(name) not in only:
            raise Unsupported(f"--{name} {arguments.text(name)}: not built yet", hint=f"{only[0]} is what there is")
    if "source_date_epoch" not in options and "SOURCE_DATE_EPOCH" in os.environ:
        options["source_date_epoch"] = os.environ["SOURCE_DATE_EPOCH"]
    screen = Screen(sys.stderr)
    if sys.stderr.isatty() and not quiet and progress == "auto":
        engine.pulling = screen.pulling
    try:
        built = build.build(engine, arguments.operands[0] if arguments.operands else ".", file=arguments.text("file"),
                            stdin=sys.stdin.buffer, stdout=sys.stdout.buffer, write=None if quiet else screen.write,
                            environ=os.environ, **options)  # fmt: skip
    except RunFailed as error:
        main.complain(error)
        return error.exit_code or exitcodes.FAILED
    if arguments.text("iidfile"):
        streams.note(arguments.text("iidfile"), built.id if len(built.ids) == 1 else built.digest)
    if not any(word in ("-",) or word.endswith("dest=-") for word in arguments.many("output")):
        print("\n".join(built.ids))
    return 0


VERB = Verb(run, "[OPTIONS] PATH | URL | -", "Build an image from a Dockerfile", FLAGS, (0, 1))
