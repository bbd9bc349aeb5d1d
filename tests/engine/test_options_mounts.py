"""`-v`, `--mount`, `--tmpfs`, `--volumes-from`: the grammar, and the line for what is not in it."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import options_mounts
from ringfence.engine.options import parse
from ringfence.errors import RingfenceError

from .test_options import refusal

BOUND = ["rbind", "rprivate"]
READ_ONLY = ["rbind", "ro", "rro"]


def test_a_volume_option_with_a_path_is_a_bind_that_may_make_its_source() -> None:
    assert parse({"volume": "/a/:/b/../c"}).volume == [
        {"type": "bind", "source": "/a", "target": "/c", "options": BOUND, "create": True}
    ]
    assert parse({"volume": "./x:/x"}).volume[0]["source"] == os.path.abspath("x")


def test_a_volume_option_with_a_name_is_a_volume_and_without_a_source_an_anonymous_one() -> None:
    named, anonymous = parse({"volume": ["data:/d", "/e"]}).volume
    assert named == {"type": "volume", "source": "data", "target": "/d", "options": BOUND, "copy": True}
    assert anonymous == {"type": "volume", "source": "", "target": "/e", "options": BOUND, "copy": True}


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("ro", ["rbind", "ro", "rro", "rprivate"]),
        ("rw", ["rbind", "rprivate"]),
        ("z", ["rbind", "rprivate"]),
        ("ro,rslave", ["rbind", "ro", "rro", "rslave"]),
        ("bind,noexec", ["bind", "noexec", "rprivate"]),
    ],
)
def test_options_of_a_volume_option_become_options_of_the_mount(typed: str, options: list[str]) -> None:
    assert parse({"volume": f"/a:/b:{typed}"}).volume[0]["options"] == options


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "is not of the form [SOURCE:]TARGET[:OPTIONS]"),
        (":/b", "is not of the form [SOURCE:]TARGET[:OPTIONS]"),
        ("/a:", "is not of the form [SOURCE:]TARGET[:OPTIONS]"),
        ("/a:/b:ro:x", "is not of the form [SOURCE:]TARGET[:OPTIONS]"),
        ("/a:ro", "is not of the form [SOURCE:]TARGET[:OPTIONS]"),
        ("data", "has a target that is not an absolute path: data"),
        ("/a:/", "has the target /, which is the root filesystem itself"),
        ("/a:/b/..", "has the target /, which is the root filesystem itself"),
        ("/a:/b:rx", "has an unknown option 'rx'"),
        ("/a:/b:ro,rw", "has options that contradict or repeat each other"),
        ("/a:/b:shared,slave", "has options that contradict or repeat each other"),
        ("/a:/b:nocopy", "has an unknown option 'nocopy'"),
        ("a/b:/c", "has an invalid volume name 'a/b': only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed; "
                   "a path begins with / or ."),
    ],
)  # fmt: skip
def test_a_bad_volume_option_is_refused(typed: str, message: str) -> None:
    assert refusal(volume=typed) == f'--volume: "{typed}" {message}'


def test_volume_options_that_are_not_built_are_refused() -> None:
    assert refusal(volume="/a:/b:U") == "--volume: /a:/b:U: option U is not built yet"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("type=bind,src=/a,dst=/b",
         {"type": "bind", "source": "/a", "target": "/b", "options": BOUND, "create": False}),
        ("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave",
         {"type": "bind", "source": "/a", "target": "/b", "options": [*READ_ONLY, "rslave"], "create": False}),
        ("type=bind,source=/a,target=/b,ro=true,bind-recursive=writable",
         {"type": "bind", "source": "/a", "target": "/b", "options": ["rbind", "ro", "rprivate"], "create": False}),
        ("type=bind,source=/a,target=/b,bind-nonrecursive",
         {"type": "bind", "source": "/a", "target": "/b", "options": ["bind", "rprivate"], "create": False}),
        ('type=bind,"source=/a,1",target=/b',
         {"type": "bind", "source": "/a,1", "target": "/b", "options": BOUND, "create": False}),
        ("target=/b", {"type": "volume", "source": "", "target": "/b", "options": BOUND, "copy": True}),
        ("type=volume,source=data,target=/b,volume-nocopy,volume-label=a=1",
         {"type": "volume", "source": "data", "target": "/b", "options": BOUND, "copy": False, "labels": {"a": "1"}}),
        ("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700",
         {"type": "tmpfs", "source": "tmpfs", "target": "/t",
          "options": ["noexec", "nosuid", "nodev", "size=1048576", "mode=700"]}),
    ],
)  # fmt: skip
def test_the_keys_of_a_mount_option(typed: str, expected: dict[str, object]) -> None:
    assert parse({"mount": typed}).mount == [expected]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("type=bind,target=/b", "has no source"),
        ("type=bind,source=/a", "has no target"),
        ("type=bind,source=/a,target=b", "has a target that is not an absolute path: b"),
        ("type=nfs,target=/b", "has an unknown type 'nfs' (one of bind, volume, tmpfs)"),
        ("type=tmpfs,target=/b,colour=red", "has an unknown key 'colour'"),
        ("type=tmpfs,target", "has a key without a value: target"),
        ("type=tmpfs,target=/b,source=/a", "has a source, which a tmpfs has not"),
        ("type=tmpfs,target=/b,volume-nocopy", "has the key volume-nocopy, which does not belong to type tmpfs"),
        ("type=tmpfs,target=/b,tmpfs-mode=9", "has a mode that is not octal: 9"),
        ("type=bind,source=/a,target=/b,readonly=maybe", "has a readonly that is neither true nor false"),
        ("type=bind,source=/a,target=/b,bind-recursive=readonly", "has bind-recursive=readonly, which needs readonly"),
        ("type=bind,source=/a,target=/b,bind-recursive=x",
         "has a bind-recursive that is not one of enabled, disabled, writable, readonly"),
        ("type=bind,source=/a,target=/b,bind-propagation=x",
         "has a bind-propagation that is not one of private, rprivate, shared, rshared, slave, rslave"),
        ('type=bind,"source=/a', "has a quote that does not end"),
        ('type=bind,so"urce=/a', "has a quote inside a field"),
        ('type=bind,"source=/a"x', "has text after a closing quote"),
    ],
)  # fmt: skip
def test_a_bad_mount_option_is_refused(typed: str, message: str) -> None:
    assert refusal(mount=typed) == f'--mount: "{typed}" {message}'


@pytest.mark.parametrize("typed", ["type=image,target=/b", "target=/b,volume-driver=nfs", "target=/b,volume-subpath=x"])
def test_mounts_that_are_not_built_are_refused(typed: str) -> None:
    assert "not built yet" in refusal(mount=typed)


def test_a_tmpfs_is_guarded_unless_told_otherwise() -> None:
    plain, executable = parse({"tmpfs": ["/a", "/b:exec,size=10%,mode=1777,uid=5"]}).tmpfs
    assert plain["options"] == ["noexec", "nosuid", "nodev"]
    assert executable["options"] == ["nosuid", "nodev", "exec", "size=10%", "mode=1777", "uid=5"]
    assert parse({"tmpfs": {"/run": "size=1m"}}).tmpfs[0]["target"] == "/run"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("run", '--tmpfs: "run" has a target that is not an absolute path: run'),
        ("/run:size=x", '--tmpfs: "x" is not a size'),
        ("/run:mode=8", '--tmpfs: "/run:mode=8" has a mode that is not octal: 8'),
        ("/run:uid=a", '--tmpfs: "/run:uid=a" has an invalid uid: a'),
        ("/run:colour=1", "--tmpfs: \"/run:colour=1\" has an invalid tmpfs option 'colour=1'"),
        ("/run:bind", "--tmpfs: \"/run:bind\" has an invalid tmpfs option 'bind'"),
    ],
)
def test_a_bad_tmpfs_is_refused(typed: str, message: str) -> None:
    assert refusal(tmpfs=typed) == message


def test_two_mounts_at_one_target_are_refused() -> None:
    assert refusal(volume="/a:/x", tmpfs="/x/") == "duplicate mount point: /x"


def test_volumes_from_names_a_container_and_may_make_its_volumes_read_only() -> None:
    assert parse({"volumes_from": ["a", "b:ro", "c:rw"]}).volumes_from == [
        {"container": "a", "mode": ""}, {"container": "b", "mode": "ro"}, {"container": "c", "mode": ""},
    ]  # fmt: skip
    assert refusal(volumes_from="a:rx") == '--volumes-from: "a:rx" is not of the form CONTAINER[:ro|rw]'


def test_an_id_mapped_volume_needs_a_user_namespace() -> None:
    assert refusal(volume="/a:/b:idmap") == "--volume: /b: the option idmap needs --userns auto"
    parse({"volume": "/a:/b:idmap", "userns": "auto"})


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_quoting_is_undone_exactly(values: list[str]) -> None:
    # Invariant: what RFC 4180 quotes is what comes out.
    line = ",".join('"' + value.replace('"', '""') + '"' for value in values)
    assert options_mounts.fields("--mount", line) == values


@given(
    st.sampled_from([options_mounts.volume, options_mounts.mount, options_mounts.tmpfs]),
    st.one_of(
        st.text(max_size=40),
        st.text('/ab.:,ro="', max_size=24),
        st.lists(st.sampled_from(["type=bind", "type=tmpfs", "src=/a", "dst=/b", "ro", "tmpfs-size=1", 'x"', "="]),
                 max_size=6).map(",".join),
    ),
)  # fmt: skip
def test_any_text_is_a_mount_or_one_clear_line(read: object, typed: str) -> None:
    # Invariant: an absolute, normalised target that is not the root; or an error that begins with the flag.
    try:
        target = read("--flag", typed)["target"]  # type: ignore[operator]
    except RingfenceError as error:
        assert str(error).startswith("--flag: ")
    else:
        assert target.startswith("/")
        assert not target.startswith("//")
        assert target != "/"
        assert ".." not in target.split("/")
