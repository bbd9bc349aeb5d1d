"""`--user` and `--group-add`, looked up in the container's own passwd and group files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import users
from ringfence.engine.users import User
from ringfence.errors import InvalidInput
from ringfence.linux.paths import Root

PASSWD = """root:x:0:0:root:/root:/bin/sh
broken line
app:x:1000:1001:App:/home/app:/bin/sh
odd:x:NaN:5::/:
1234:x:77:78::/:
"""
GROUP = """root:x:0:root
adm:x:4:app,other
app:x:1001:
wheel:x:10:root,app
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


def resolve(tree: Path, user: str, *groups: str) -> User:
    with Root(tree) as root:
        return users.resolve(root, user, groups)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, [0, 10], "root")),
        ("root", User(0, 0, [0, 10], "root")),
        ("app", User(1000, 1001, [1001, 4, 10], "app")),
        ("1000", User(1000, 1001, [1001, 4, 10], "app")),
        ("app:adm", User(1000, 4, [4], "app")),
        ("app:77", User(1000, 77, [77], "app")),
        ("5", User(5, 0, [0])),
        ("5:wheel", User(5, 10, [10])),
        ("1234", User(77, 78, [78], "1234")),
        (":adm", User(0, 4, [4], "root")),
    ],
)
def test_a_user_is_looked_up_as_docker_does(tree: Path, user: str, expected: User) -> None:
    assert resolve(tree, user) == expected


def test_further_groups_are_added_once(tree: Path) -> None:
    assert resolve(tree, "app", "wheel", "99", "adm").additional_gids == [1001, 4, 10, 99]


@pytest.mark.parametrize(
    ("user", "groups", "message"),
    [
        ("nobody", (), "no such user: nobody"),
        ("odd", (), "no such user: odd"),
        ("app:nope", (), "no such group: nope"),
        ("app", ("nope",), "no such group: nope"),
    ],
)
def test_a_name_that_is_not_listed_is_refused(tree: Path, user: str, groups: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(tree, user, *groups)
    assert str(caught.value) == message


def test_an_image_without_the_files_has_numbers_only(tmp_path: Path) -> None:
    assert resolve(tmp_path, "") == User(0, 0, [0])
    assert resolve(tmp_path, "5:6", "7") == User(5, 6, [6, 7])
    with pytest.raises(InvalidInput, match="no such user: root"):
        resolve(tmp_path, "root")


def test_a_link_in_the_image_does_not_lead_to_the_hosts_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")
    (tmp_path / "etc/group").symlink_to("../../../../../../etc/group")
    with Root(tmp_path) as root, pytest.raises(OSError, match="symbolic links"):
        users.resolve(root, "root")


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["", "root", "0", "a:b", "7:8"]))
def test_any_passwd_and_group_files_give_ids_in_range_or_one_clear_line(passwd: str, group: str, user: str) -> None:
    # Invariant: whatever the image's files hold, ids lie between 0 and 2**31 - 1, or InvalidInput says what is missing.
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        etc = Path(directory, "etc")
        etc.mkdir()
        (etc / "passwd").write_bytes(passwd.encode("utf-8", "replace"))
        (etc / "group").write_bytes(group.encode("utf-8", "replace"))
        try:
            found = resolve(Path(directory), user)
        except InvalidInput as error:
            assert str(error).startswith("no such ")
        else:
            assert all(0 <= id <= users.ID_MAX for id in (found.uid, found.gid, *found.additional_gids))
