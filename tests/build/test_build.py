"""Builds from end to end: instructions, stages, the cache, reproducible images, failures that quote their line."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.build import build
from ringfence.build.prune import prune
from ringfence.build.run import RunFailed
from ringfence.errors import InvalidInput, NotFound, RingfenceError
from tests import needs
from tests.build.conftest import Builder
from tests.registry.servers import HTPASSWD, PASSWORD, USER, Made, Registry

if TYPE_CHECKING:
    from ringfence import Engine

Fails = Callable[..., str]


def test_an_image_is_built_tagged_and_run(builder: Builder) -> None:
    built = builder(
        "FROM host\nENV GREETING=hello\nCOPY a.txt /data/\nRUN cat /data/a.txt > /data/b && echo $GREETING\n"
        'LABEL l=1\nCMD ["cat", "/data/b"]\n',
        files={"a.txt": "text\n"}, tag=["app:1", "app:2"], label=["m=2"],
    )  # fmt: skip
    assert built.names == ["app:1", "app:2"]
    assert builder.engine.run("app:2", rm=True).stdout == b"text\n"
    config = builder.config(built)
    assert config["Labels"] == {"l": "1", "m": "2"}
    assert "GREETING=hello" in config["Env"]
    assert "hello\n" in builder.told
    assert [row["CreatedBy"] for row in builder.engine.history("app:1")[:3]] == [
        'CMD ["cat", "/data/b"]', "LABEL l=1", "RUN /bin/sh -c cat /data/a.txt > /data/b && echo $GREETING",
    ]  # fmt: skip


def test_a_manifest_tells_its_base_and_its_annotations(builder: Builder) -> None:
    image = builder.engine.image_store.get(builder("FROM host\nENV a=1", annotation=["x=y"]).id)
    host = builder.engine.image_store.get("host")
    assert image.manifest["annotations"] == {
        "org.opencontainers.image.base.digest": host.digest,
        "org.opencontainers.image.base.name": "docker.io/library/host:latest",
        "org.opencontainers.image.created": image.created,
        "x": "y",
    }
    assert image.config["history"][-1]["empty_layer"] is True


def test_a_run_step_leaves_no_mount_points_and_no_trace_of_its_mounts(builder: Builder) -> None:
    built = builder(
        "FROM host\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t/t --mount=target=/b \\\n"
        " touch /c/x /t/t/x\n",
        files={"a": "1"},
    )  # fmt: skip
    assert builder.engine.history(built.id)[0]["Size"] == 0
    built = builder("FROM host\nRUN --mount=type=cache,target=/c rm /etc/passwd && ls /c > /etc/listed\n")
    assert builder.read(built, "/etc/listed") == "x\n"
    layer = builder.engine.image_store.get(built.id).layers[-1]
    with builder.engine.content.open(layer.digest) as file, tarfile.open(fileobj=file) as tar:
        assert tar.getnames() == ["etc", "etc/listed", "etc/.wh.passwd"]


def test_what_is_unchanged_comes_from_the_cache_and_gives_the_same_image(builder: Builder) -> None:
    text = "FROM host\nARG a\nWORKDIR /w\nCOPY f* ./\nRUN date +%N > /now\nENV b=$a\n"
    first = builder(text, files={"f1": "1", "g": "1"}, build_arg=["a=1"])
    assert builder("# another comment\n" + text, files={"g": "2"}, build_arg=["a=1"]).id == first.id
    assert builder.told.count("--> cached") == 3
    os.utime(builder.context / "f1", (1, 1))
    assert builder(text, build_arg=["a=1"]).id == first.id
    changed = builder(text, files={"f1": "2"}, build_arg=["a=1"])
    assert builder.told.count("--> cached") == 1
    assert builder.read(changed, "/now") != builder.read(first, "/now")
    builder(text, build_arg=["a=2"])
    assert builder.told.count("--> cached") == 2  # RUN sees the argument
    builder(text, build_arg=["a=2"], no_cache=True)
    assert "cached" not in builder.told


def test_the_cache_survives_a_prune_of_images_until_it_is_pruned_itself(builder: Builder) -> None:
    text = "FROM host\nRUN echo 1 > /one\n"
    built = builder(text)
    builder.engine.rmi(built.id)
    builder.engine.image_prune()
    again = builder(text)
    assert "--> cached" in builder.told
    assert again.id == built.id
    assert builder.read(again, "/one") == "1\n"
    assert prune(builder.engine)["StepsDeleted"] == 1
    builder(text)
    assert "--> cached" not in builder.told


def test_stages_that_nothing_needs_are_not_built(builder: Builder) -> None:
    text = "FROM host AS a\nRUN echo a > /a\nFROM host AS unused\nRUN exit 9\nFROM scratch\nCOPY --from=a /a /\n"
    built = builder(text)
    assert "exit 9" not in builder.told
    assert len(builder.engine.image_store.get(built.id).layers) == 1
    with pytest.raises(RunFailed):
        builder(text, target="unused")
    assert builder(text, target="A").id != built.id


def test_independent_stages_run_at_once(builder: Builder) -> None:
    """Each waits for the other by a cache mount that both have: one after the other would never end."""
    until = "timeout 20 sh -c 'until [ -e /m/{1} ]; do sleep .05; done'"
    meet = f"RUN --mount=type=cache,id=meet,target=/m touch /m/{{0}}; {until}"
    built = builder(
        f"FROM host AS a\n{meet.format('a', 'b')}\nRUN echo a > /a\n"
        f"FROM host AS b\n{meet.format('b', 'a')}\nRUN echo b > /b\n"
        "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    )  # fmt: skip
    steps = [row["CreatedBy"] for row in builder.engine.history(built.id)]
    assert steps == ["COPY --from=b /b /", "COPY --from=a /a /"]
    assert "[1/3] STEP" in builder.told


def test_the_first_failure_ends_all_stages(builder: Builder) -> None:
    began = time.monotonic()
    with pytest.raises(RunFailed) as caught:
        builder("FROM host AS a\nRUN sleep 60\nFROM host AS b\nRUN sleep .3; exit 7\nFROM a\nCOPY --from=b /etc /etc\n")
    assert caught.value.exit_code == 7
    assert str(caught.value) == "Dockerfile:4: RUN sleep .3; exit 7: exited with code 7"
    assert time.monotonic() - began < 20
    assert builder.engine.ps(all=True) == []


def test_source_date_epoch_makes_equal_images_of_equal_inputs(builder: Builder) -> None:
    text = "FROM host\nCOPY a /a\nWORKDIR /w/x\nRUN mkdir -p /n/m && echo 1 > /n/m/f && touch /w/x/y\n"
    first = builder(text, files={"a": "1"}, source_date_epoch="1700000000", no_cache=True)
    os.utime(builder.context / "a")
    second = builder(text, source_date_epoch="1700000000", no_cache=True)
    assert (first.id, first.digest) == (second.id, second.digest)
    image = builder.engine.image_store.get(first.id)
    assert image.created == "2023-11-14T22:13:20Z"
    for layer in image.layers[1:]:
        with builder.engine.content.open(layer.digest) as file, tarfile.open(fileobj=file) as tar:
            assert all(member.mtime <= 1700000000 for member in tar)
    assert builder.run(first, "stat", "-c", "%Y", "/n/m/f") == "1700000000\n"


def test_the_tree_that_a_step_leaves_is_the_one_that_its_layer_makes(builder: Builder, tmp_path: Path) -> None:
    from ringfence.images.unpack import unpack
    from ringfence.snapshots import open_snapshotter

    built = builder(
        "FROM host\nRUN mkdir -p /old/in /gone/in; touch /old/in/a /gone/in/a /old/b\n"
        "RUN mkdir /d && cd /d && echo 1 > a && ln a b && ln -s a c && mkfifo p && chmod 4711 a "
        "&& rm -r /old /gone /etc/group && mkdir -p /old/new && mv /etc/passwd /etc/moved\n"
    )  # fmt: skip
    image = builder.engine.image_store.get(built.id)
    fresh = open_snapshotter(str(tmp_path / "fresh"))
    unpack(image, builder.engine.content, fresh)

    mine, theirs = seen(builder.engine.snapshots, image.chain_ids), seen(fresh, image.chain_ids)
    assert mine.keys() == theirs.keys()
    assert mine.keys() >= {"d/a", "d/b", "d/c", "d/p", "old/new", "etc/moved"}
    assert not mine.keys() & {"gone", "old/in", "old/b", "etc/passwd", "etc/group"}
    # in tests the layer of `host` itself is a copy by hard links
    assert [path for path in mine if mine[path].partition(" same as")[0] != theirs[path]
            and mine[path] != theirs[path]] == []  # fmt: skip


def seen(snapshots: Any, chain_ids: list[str]) -> dict[str, str]:
    from ringfence.linux.mounts import Mount, attach_nowhere
    from tests.layers.listing import listing

    layers = ":".join(snapshots.layer_path(chain_id) for chain_id in reversed(chain_ids))
    with attach_nowhere(Mount("overlay", "overlay", [f"lowerdir={layers}"])) as view:
        return listing(f"{view.path}/.", times=lambda path: path != ".")


def test_triggers_run_in_the_child_and_not_in_its_children(builder: Builder) -> None:
    builder('FROM host\nONBUILD RUN echo "$X" >> /triggered\nONBUILD COPY f /\n', files={"f": "1"}, tag=["base"])
    child = builder("FROM base\nRUN echo child >> /triggered\n", tag=["child"])
    assert builder.read(child, "/triggered") == "\nchild\n"
    assert builder.config(child).get("OnBuild") is None
    assert builder.read(builder("FROM child\n"), "/triggered") == "\nchild\n"


def test_secrets_are_there_while_they_are_needed_and_nowhere_else(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hidden-thing")
    text = (
        "FROM host\nRUN --mount=type=secret,id=s,mode=0440,uid=5 \\\n"
        "  cat /run/secrets/s | tr a-z A-Z > /out; stat -c '%a %u' /run/secrets/s >> /out\n"
        "RUN --mount=type=secret,id=e,env=TOKEN echo $TOKEN | tr o 0 > /out2\n"
    )
    built = builder(text, secret=[f"id=s,src={tmp_path}/s", "id=e,env=E"], environ={"E": "foo"})
    assert builder.read(built, "/out") == "HIDDEN-THING440 5\n"
    assert builder.read(built, "/out2") == "f00\n"
    kept = [builder.engine.root, builder.engine.state]
    assert subprocess.run(["grep", "-rl", "hidden-thing", *kept], capture_output=True).stdout == b""


def test_a_secret_that_is_required_must_be_given(fails: Fails) -> None:
    assert fails("FROM host\nRUN --mount=type=secret,id=s,required=true true") == (
        "Dockerfile:2: RUN --mount=type=secret,id=s,required=true true: --mount=type=secret,id=s,required=true: "
        "the secret s was not given: use the flag --secret id=s,…"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM host\nADD --checksum=sha256:0 a /", "a /: --checksum is for one URL or git repository"),
        ("FROM host\nADD http://127.0.0.1:1/x /", "/x /: http://127.0.0.1:1/x: connection refused"),
        ("FROM host\nRUN [[ 1 = 2 ]] # no JSON", "Dockerfile:2: RUN [[ 1 = 2 ]] # no JSON: exited with code"),
        ("FROM localhost:1/nosuch", "Dockerfile:1: FROM localhost:1/nosuch: localhost:1: connection refused"),
        ("FROM host\nRUN exit 3", "Dockerfile:2: RUN exit 3: exited with code 3"),
        ('FROM host\nRUN ["nosuch"]', 'Dockerfile:2: RUN ["nosuch"]: cannot execute nosuch'),
        ("FROM host\nCOPY nosuch /", 'Dockerfile:2: COPY nosuch /: "nosuch" is not in the build context'),
        ("FROM host\nCOPY ../../etc/passwd /", '"../../etc/passwd" is not in the build context'),
        ("FROM host\nCOPY *.none /", "Dockerfile:2: COPY *.none /: no file of the build context matches *.none"),
        ("FROM host\nCOPY --from=later /a /\nFROM host AS later\nFROM host\nCOPY --from=0 /a /", "comes later"),
        ("FROM host\nCOPY --from=localhost:1/no /a /", "/no /a /: localhost:1: connection refused"),
        ("FROM host\nCOPY --chown=nobodyatall Dockerfile /", "no such user: nobodyatall"),
        ("FROM scratch\nCOPY --chown=root Dockerfile /", "an image from scratch knows no names"),
        ("FROM host\nCOPY --chmod=99 Dockerfile /", "--chmod=99: is neither an octal nor a symbolic mode"),
        ("FROM host\nCOPY Dockerfile Dockerfile /x", "the destination must be a directory and end with a /"),
        ("FROM host\nADD Dockerfile /etc/passwd/x", "passwd is no directory"),
        ("FROM host\nADD https://127.0.0.1:1/x.git /", "https://127.0.0.1:1/x.git: git fetch: fatal: unable to access"),
        ("FROM host\nADD git://127.0.0.1:1/x#-x /", "no branch, tag or commit is called -x"),
        ("FROM host\nRUN --mount=type=nosuch,target=/a true", "there is no type nosuch"),
        ("FROM host\nRUN --mount=type=cache true", "needs a target"),
        ("FROM host\nRUN --network=bridge true", "--network=bridge: is not one of default, host, none"),
        ("FROM host\nRUN --security=insecure true", "needs the flag --allow security.insecure"),
        ("FROM host\nENV a=\"${b:?must be there}\"", "b: must be there"),
        ("FROM host\nEXPOSE http", '"http" is not a port'),
        ("FROM host\nSTOPSIGNAL SIGNOTHING", "is not a signal"),
        ("ARG x\nFROM $x", "the name of the image is empty"),
    ],
)
def test_a_failure_is_one_line_that_quotes_the_instruction(fails: Fails, text: str, message: str) -> None:
    said = fails(text)
    assert message in said
    assert said.startswith("Dockerfile:")
    assert "\n" not in said


def test_a_failed_build_leaves_nothing_but_its_cache(builder: Builder, fails: Fails) -> None:
    images = builder.engine.images(all=True)
    fails("FROM host\nRUN echo 1 > /one\nRUN exit 1\n")
    assert builder.engine.images(all=True) == images
    assert builder.engine.ps(all=True) == []
    assert not os.listdir(f"{builder.engine.root}/containers")
    builder("FROM host\nRUN echo 1 > /one\n")
    assert "--> cached" in builder.told


def test_a_killed_build_is_cleaned_up_after_by_the_next_command(builder: Builder) -> None:
    (builder.context / "Dockerfile").write_text("FROM host\nRUN --mount=target=/m,rw sleep 1000\n")
    code = "import sys, ringfence, ringfence.build as b; b.build(ringfence.Engine(*sys.argv[1:3]), sys.argv[3])"
    running = subprocess.Popen([sys.executable, "-c", code, builder.engine.root, builder.engine.state, builder.context])
    deadline = time.monotonic() + 30
    while not any(record.phase == "building" and builder.engine.runtime.processes(record.id)
                  for record in builder.engine.records.all() if started(builder.engine, record.id)):  # fmt: skip
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    builder.engine.system_prune()
    assert builder.engine.records.all() == []
    assert not os.listdir(f"{builder.engine.root}/scratch")
    assert {snapshot.kind for snapshot in builder.engine.snapshots.walk()} == {"committed"}


def started(engine: Engine, id: str) -> bool:
    try:
        return bool(engine.runtime.status(id)["status"] == "running")
    except NotFound:
        return False


def test_a_context_may_be_an_archive_and_a_dockerfile_may_stand_alone(builder: Builder) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {"Dockerfile": b"FROM host\nCOPY a /a\n", "a": b"from the archive"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    assert builder.read(build(builder.engine, "-", stdin=buffer), "/a") == "from the archive"
    alone = build(builder.engine, "-", stdin=io.BytesIO(b"FROM host\nRUN echo alone > /a\n"))
    assert builder.read(alone, "/a") == "alone\n"
    (builder.context / "b").write_text("b")
    beside = build(builder.engine, str(builder.context), file="-", stdin=io.BytesIO(b"FROM host\nCOPY b /a\n"))
    assert builder.read(beside, "/a") == "b"


def test_an_archive_cannot_name_a_dockerfile_of_the_host(builder: Builder) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    buffer.seek(0)
    with pytest.raises(NotFound, match="has no Dockerfile"):
        build(builder.engine, "-", stdin=buffer)


def test_no_link_in_a_context_leads_out_of_it(builder: Builder, fails: Fails) -> None:
    (builder.context / "link").symlink_to("/etc/passwd")
    (builder.context / "up").symlink_to("..")
    assert "is not in the build context" in fails("FROM host\nCOPY link /x\n")
    assert "is not in the build context" in fails("FROM host\nCOPY up/../etc/passwd /x\n")
    built = builder("FROM host\nCOPY . /c/\n")
    assert builder.run(built, "readlink", "/c/link", "/c/up") == "/etc/passwd\n..\n"


def test_ignored_files_are_no_part_of_a_context(builder: Builder) -> None:
    files = {".dockerignore": "*.log\nsub\n!sub/keep\n", "a.log": "", "b": "", "sub/drop": "", "sub/keep": ""}
    built = builder("FROM host\nCOPY . /c\nRUN --mount=target=/m find /m -type f | sort > /seen\n", files=files)
    listed = builder.run(built, "sh", "-c", "cd /c; find . -type f | sort").split()
    assert listed == ["./.dockerignore", "./Dockerfile", "./b", "./sub/keep"]
    assert builder.read(built, "/seen").split() == [f"/m{name[1:]}" for name in listed]
    with pytest.raises(InvalidInput, match="is not in the build context"):
        builder("FROM host\nCOPY a.log /\n")
    (builder.context / "Dockerfile.dockerignore").write_text("b")
    assert "./b" not in builder.run(builder("FROM host\nCOPY . /c\n"), "sh", "-c", "cd /c; find . -type f")


def test_squash_makes_one_layer_of_what_is_added(builder: Builder) -> None:
    builder("FROM host\nRUN mkdir -p /base/x/y /base/z && touch /base/x/f /base/z/f\n", tag=["base"], squash=True)
    text = (
        "FROM base\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b\nRUN rm /d/a && echo 3 > /d/b\n"
        "RUN rm -r /base/x && mkdir -p /base/x/q\nRUN rm -r /etc/group /base/z\n"
    )
    plain, squashed = builder(text), builder(text, squash=True)
    images = [builder.engine.image_store.get(each.id) for each in (plain, squashed)]
    assert [len(image.layers) for image in images] == [6, 3]
    look = "find / -xdev | sort | grep -v ^/proc; cat /d/b"
    assert builder.run(plain, "sh", "-c", look) == builder.run(squashed, "sh", "-c", look)


def test_a_result_may_be_files_a_tar_or_an_archive(builder: Builder, tmp_path: Path) -> None:
    text = "FROM host AS b\nRUN echo out > /o && chmod 750 /o\nFROM scratch\nCOPY --from=b /o /bin/o\n"
    stdout = io.BytesIO()
    builder(text, output=[str(tmp_path / "files"), "-", f"type=oci,dest={tmp_path}/x.tar"], tag=["x:1"], stdout=stdout)
    assert (tmp_path / "files/bin/o").read_text() == "out\n"
    assert (tmp_path / "files/bin/o").stat().st_mode & 0o777 == 0o750
    stdout.seek(0)
    with tarfile.open(fileobj=stdout) as tar:
        assert [name.strip("./") for name in tar.getnames()] == ["", "bin", "bin/o"]
    with tarfile.open(tmp_path / "x.tar") as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        assert len(json.load(index)["manifests"]) == 1


@pytest.mark.parametrize("kind", ["local", "registry"])
def test_a_cache_goes_to_another_machine(builder: Builder, host_root: Path, tmp_path: Path, kind: str) -> None:
    from ringfence import Engine
    from tests.conftest import copy_by_links

    text = "FROM host\nRUN date +%N > /now\nCOPY Dockerfile /\n"
    copy_by_links(host_root, tmp_path / "other")
    with ExitStack() as open_ones:
        place = f"type=local,dest={tmp_path}/cache"
        if kind == "registry":
            needs.program("docker-registry")
            (tmp_path / "registry").mkdir()
            registry = open_ones.enter_context(Registry(tmp_path / "registry"))
            place = f"type=registry,ref={registry.host}/app/cache:main,mode=max"
        nothing_yet = builder(text, cache_to=[place], cache_from=[place])
        other = open_ones.enter_context(Engine(str(tmp_path / "other"), builder.engine.state + "-other"))
        told: list[bytes] = []
        second = build(other, str(builder.context), cache_from=[place], write=told.append)
        assert second.id == nothing_yet.id
        assert b"".join(told).count(b"--> cached") == 2


def test_a_base_that_is_pulled_is_told_of(builder: Builder, tmp_path: Path) -> None:
    needs.program("docker-registry")
    with Registry(tmp_path) as registry:
        Made([{"one": b"1"}, {"two": b"2"}]).put(registry, "base", "1")
        builder(f"FROM {registry.host}/base:1 AS a\nFROM a\nLABEL x=y\n")
    lines = builder.told.splitlines()
    assert "1: Pulling from base" in lines
    assert sum(line.endswith(": Pull complete") for line in lines) == 2


def test_an_image_is_no_cache(builder: Builder, tmp_path: Path) -> None:
    needs.program("docker-registry")
    with Registry(tmp_path) as registry:
        builder("FROM scratch\nLABEL a=b\n", tag=[f"{registry.host}/app:1"], push=True)
        builder("FROM scratch\nLABEL a=b\n", cache_from=[f"{registry.host}/app:1"])
    assert "is no cache that --cache-to has written: going on without it\n" in builder.told


def test_a_cache_that_cannot_be_read_is_told_and_missed(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/index.json").write_text("{")
    built = builder("FROM host\nLABEL a=b\n", cache_from=["127.0.0.1:1/x:1", f"{tmp_path}/damaged"])
    assert builder.config(built)["Labels"] == {"a": "b"}
    warnings = [line for line in builder.told.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2 and all(line.endswith(": going on without it") for line in warnings)
    assert "connection refused" in warnings[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag": ["UPPER"]}, "UPPER"),
        ({"target": "nosuch"}, "--target: there is no stage nosuch in Dockerfile (there are: 0)"),
        ({"output": ["type=nosuch"]}, "there is no type 'nosuch'"),
        ({"output": ["type=registry"]}, "pushing needs a name"),
        ({"cache_to": ["type=registry"]}, "names no image: ref="),
        ({"cache_to": ["type=gha"]}, "caches of type gha are not built yet"),
        ({"cache_from": [f"quay.io/x/y@sha256:{64 * 'a'}"]}, "and no digest"),
        ({"secret": ["src=x"]}, "has no id"),
        ({"secret": ["id=x,src=/nosuch"]}, "cannot read /nosuch"),
        ({"ssh": ["default"]}, "no agent runs"),
        ({"platform": "linux/amd64,linux/arm64"}, "several platforms need a name"),
        ({"platform": "linux/amd64,linux/arm64", "tag": ["x"], "output": ["type=oci"]}, "type=oci holds one platform"),
        ({"ssh": ["default=/nosuch"]}, "/nosuch: No such file or directory"),
        ({"network": "web"}, "--network: web: not built yet"),
        ({"source_date_epoch": "yesterday"}, "is not a number of seconds"),
        ({"build_context": ["x"]}, "is not NAME=PLACE"),
        ({"ulimit": ["x"]}, "--ulimit"),
        ({"jobs": "-1"}, "--jobs"),
        ({"cert_dir": "/nosuch", "cache_to": ["127.0.0.1:1/x:1"], "nonsense": "x"}, "unknown flag: --nonsense"),
        ({"nonsense": "x"}, "unknown flag: --nonsense"),
    ],
)
def test_options_that_cannot_be_right_are_refused_before_anything_is_done(
    builder: Builder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RingfenceError) as caught:
        builder("FROM host\nRUN echo begun\n", **options)
    assert message in str(caught.value)
    assert "STEP" not in builder.told


def test_a_named_context_is_a_directory_or_another_image(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/f").write_text("more")
    built = builder(
        "FROM base\nCOPY --from=more f /f\n",
        build_context=[f"more={tmp_path}/more", "base=docker-image://host"],
    )  # fmt: skip
    assert builder.read(built, "/f") == "more"


def test_podmans_flags_have_their_effect(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "ignored").write_text("left-out\n")
    files = {"left-out": "x", "taken": "x"}
    built = builder("FROM nosuch AS first\nENV A=1 B=2\nCOPY . /all\n", files=files, from_="host", env=["C=3"],
                    unsetenv=["B"], ignorefile=str(tmp_path / "ignored"), jobs="1")  # fmt: skip
    assert [each for each in builder.config(built)["Env"] if not each.startswith("PATH=")] == ["A=1", "C=3"]
    assert builder.run(built, "ls", "/all").split() == ["Dockerfile", "taken"]


def test_a_base_is_pulled_and_an_image_pushed_with_the_access_that_is_given(builder: Builder, tmp_path: Path) -> None:
    needs.program("docker-registry")
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    guard = {"auth": {"htpasswd": {"realm": "r", "path": str(tmp_path / "htpasswd")}}}
    with Registry(tmp_path, **guard) as registry:
        name, creds = f"{registry.host}/app:1", f"{USER}:{PASSWORD}"
        builder("FROM scratch\nLABEL a=b\n", tag=[name], push=True, creds=creds)
        builder.engine.rmi(name)
        built = builder(f"FROM {name}\nLABEL c=d\n", creds=creds)
        with pytest.raises(RingfenceError, match="wants a user name and password"):
            builder(f"FROM {name}\nLABEL c=d\n", pull=True)
    assert builder.config(built)["Labels"] == {"a": "b", "c": "d"}


def test_an_argument_that_no_arg_takes_is_told(builder: Builder) -> None:
    builder("FROM host\nARG a\n", build_arg=["a=1", "b=2", "HTTP_PROXY=x"])
    assert "warning: no ARG takes the build arguments b\n" in builder.told


def test_a_context_that_is_not_there(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such directory"):
        build(engine, str(tmp_path / "nosuch"))
    with pytest.raises(NotFound, match="has no Dockerfile or Containerfile"):
        build(engine, str(tmp_path))
    with pytest.raises(InvalidInput):
        build(engine, "-")
