"""Changes to an image config are read as docker reads them, and a wrong one is quoted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.images.changes import apply_changes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('CMD ["a", "b c"]', {"Cmd": ["a", "b c"]}),
        ("cmd a  b", {"Cmd": ["/bin/sh", "-c", "a  b"]}),
        ("CMD [a", {"Cmd": ["/bin/sh", "-c", "[a"]}),
        ("CMD", {"Cmd": []}),
        ('ENTRYPOINT ["/x"]', {"Entrypoint": ["/x"]}),
        ('ENV A=1 B="2 3" C=x=y', {"Env": ["A=1", "B=2 3", "C=x=y"]}),
        ("ENV A the rest", {"Env": ["A=the rest"]}),
        ("EXPOSE 80 53/udp", {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        ("EXPOSE 8000-8002", {"ExposedPorts": {"8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}}}),
        ('LABEL a=b "c d"=e', {"Labels": {"a": "b", "c d": "e"}}),
        ("USER 1000:100", {"User": "1000:100"}),
        ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
        ('VOLUME ["/a b"]', {"Volumes": {"/a b": {}}}),
        ("WORKDIR /a/../b/", {"WorkingDir": "/b"}),
        ("WORKDIR x", {"WorkingDir": "/x"}),
        ("STOPSIGNAL SIGQUIT", {"StopSignal": "SIGQUIT"}),
        ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}),
        ('SHELL ["bash", "-c"]', {"Shell": ["bash", "-c"]}),
        ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
        ("HEALTHCHECK --interval=1m30s --retries=3 CMD true x",
         {"Healthcheck": {"Test": ["CMD-SHELL", "true x"], "Interval": 90 * 10**9, "Retries": 3}}),
        ('HEALTHCHECK --timeout=500ms CMD ["true"]',
         {"Healthcheck": {"Test": ["CMD", "true"], "Timeout": 5 * 10**8}}),
    ],
)  # fmt: skip
def test_an_instruction_changes_the_config(change: str, expected: dict[str, Any]) -> None:
    assert apply_changes({}, [change]) == expected


def test_changes_add_to_what_is_there_and_leave_the_original_alone() -> None:
    config: dict[str, Any] = {"Env": ["A=1", "B=2"], "Labels": {"a": "1"}, "WorkingDir": "/w", "Cmd": ["x"]}
    before = {key: value.copy() if hasattr(value, "copy") else value for key, value in config.items()}
    changed = apply_changes(config, ["ENV B=3", "LABEL b=2", "WORKDIR y", "ENV C=4"])
    assert changed == {"Env": ["A=1", "B=3", "C=4"], "Labels": {"a": "1", "b": "2"}, "WorkingDir": "/w/y", "Cmd": ["x"]}
    assert config == before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("RUN x", "unknown instruction (there are: CMD ENTRYPOINT"),
        ("", "unknown instruction"),
        ("ENV A", "needs NAME=VALUE"),
        ("ENV A=1 B", '"B" is not NAME=VALUE'),
        ('ENV A="1', "No closing quotation"),
        ("EXPOSE x", '"x" is not a port'),
        ("EXPOSE 70000", '"70000" is not a port'),
        ("EXPOSE 9-8", '"9-8" is a range that ends before it begins'),
        ("EXPOSE 80/xx", '"xx" is not one of tcp, udp, sctp'),
        ("CMD [1]", "all words of the command must be strings"),
        ("VOLUME", "needs a value"),
        ("USER a b", "needs one user"),
        ("WORKDIR", "needs a directory"),
        ("ONBUILD FROM x", "needs an instruction other than ONBUILD and FROM"),
        ("HEALTHCHECK --interval=1x CMD x", '"1x" is not a duration like 30s'),
        ("HEALTHCHECK CMD", "needs NONE or CMD and a command"),
        ("SHELL bash", 'needs the form ["program", "argument"]'),
    ],
)
def test_a_wrong_change_is_quoted_with_the_reason(change: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        apply_changes({}, [change])
    assert str(refused.value).startswith(f'change "{change}": {problem}')


INSTRUCTIONS = ("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER",
                "VOLUME", "WORKDIR")  # fmt: skip


@given(st.sampled_from(INSTRUCTIONS), st.text("abAB1=[]\"', /\\-:{}\n", max_size=20))
def test_any_text_is_a_change_or_refused_in_one_line(instruction: str, text: str) -> None:
    # Invariant: a change gives a config that fits the shape of an image config, or InvalidInput of one line.
    from ringfence.oci.image_spec import IMAGE_CONFIG

    try:
        changed = apply_changes({}, [f"{instruction} {text}"])
    except InvalidInput as refused:
        assert "\n" not in str(refused)
    else:
        IMAGE_CONFIG({"config": changed, "rootfs": {"diff_ids": []}})
