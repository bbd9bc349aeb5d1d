"""The table of options and `parse`: names, defaults, refusals, environment, labels, update."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ringfence.engine import options_document
from ringfence.engine.options import OPTIONS, SECTIONS, Options, parse, resource_options
from ringfence.errors import InvalidInput, Unsupported

# Issue 2's list for run and create.
PROMISED = tuple("""
detach interactive tty rm name env env-file workdir user group-add entrypoint volume mount tmpfs read-only hostname
domainname network memory memory-swap memory-reservation cpus cpu-shares cpu-quota cpu-period cpuset-cpus cpuset-mems
pids-limit blkio-weight device device-read-bps device-write-bps device-read-iops device-write-iops ulimit cap-add
cap-drop security-opt privileged init stop-signal stop-timeout restart pid ipc uts userns cgroupns cgroup-parent sysctl
shm-size label annotation cidfile pidfile log-driver log-opt detach-keys sig-proxy oom-score-adj health-cmd
health-interval health-timeout health-retries health-start-period no-healthcheck volumes-from add-host dns dns-search
dns-option platform pull runtime timeout
""".split())  # noqa: SIM905


def refusal(**raw: object) -> str:
    with pytest.raises((InvalidInput, Unsupported)) as caught:
        parse(raw)
    return str(caught.value)


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_option_is_built(name: str) -> None:
    assert OPTIONS[name.replace("-", "_")].section != "not built yet"


def test_the_table_and_the_options_class_name_the_same_things() -> None:
    built = {option.attribute for section, rows in SECTIONS.items() if section != "not built yet" for option in rows}
    refused = {"link", "link_local_ip"}
    folded = {"ip", "ip6", "mac_address", "network_alias"}  # into `networks`
    assert built - refused - folded | {"networks"} == set(Options.__annotations__)


def test_no_two_options_share_a_short_flag() -> None:
    shorts = [option.short for option in OPTIONS.values() if option.short]
    assert len(shorts) == len(set(shorts))


def test_the_document_is_what_the_table_says() -> None:
    path = Path(__file__).parents[2] / "docs/options.md"
    assert path.read_text() == options_document.markdown(), "run: python -m ringfence.engine.options_document"


def test_what_is_not_given_has_its_default_and_is_not_written_down() -> None:
    options = parse({"memory": "64m", "tty": None})
    assert (options.memory, options.tty, options.network) == (64 << 20, False, "bridge")
    assert options.to_json() == {"memory": 64 << 20}
    assert options.given("memory")
    assert not options.given("network")


def test_options_survive_json() -> None:
    options = parse({"volume": ["/tmp:/b:ro"], "ulimit": "nofile=10", "env": {"A": 1}, "cpus": 0.5, "pid": "host"})
    again = Options.from_json(json.loads(json.dumps(options.to_json())))
    assert again.to_json() == options.to_json()


def test_python_may_write_dashes_and_aliases() -> None:
    assert parse({"memory-swap": "-1", "memory": "1g", "net": "host"}).to_json() == {
        "memory_swap": -1,
        "memory": 1 << 30,
        "network": "host",
    }


def test_an_unknown_option_is_named_as_the_flag_that_was_typed() -> None:
    assert refusal(memory_sawp="1g") == "unknown flag: --memory-sawp"


@pytest.mark.parametrize(
    ("name", "value"),
    [("gpus", "all"), ("link", ["a:b"]), ("attach", ["stdin"])],
)
def test_what_is_not_built_is_refused_and_never_ignored(name: str, value: object) -> None:
    assert refusal(**{name: value}).startswith(f"--{name.replace('_', '-')}: not built yet (")


def test_what_is_not_built_may_be_left_off() -> None:
    parse({"gpus": "", "link": []})


# environment ---------------------------------------------------------------------------------------------------------


def test_the_last_value_of_a_variable_wins_and_env_comes_after_env_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("\ufeffA=file\nB='quoted' \n\n# comment\n  C=indented\nHOME\nMISSING\n")
    options = parse(
        {"env": ["A=1", "A=2", "EMPTY=", "SHELL"], "env_file": str(tmp_path / "env"), "environ": {"HOME": "/me"}}
    )
    assert options.env == ["A=2", "B='quoted' ", "C=indented", "HOME=/me", "EMPTY="]


def test_the_library_never_reads_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert parse({"env": ["SECRET"]}).env == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("=x", "no variable name in '=x'"),
        ("A B=c", "variable 'A B' contains white space or a NUL byte"),
        ("A =c", "variable 'A ' contains white space or a NUL byte"),
        ("A=\0", "variable 'A' contains white space or a NUL byte"),
    ],
)
def test_a_bad_line_of_an_env_file_is_named_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "env"
    path.write_text(f"OK=1\n{line}\n")
    assert refusal(env_file=[str(path)]) == f"--env-file: {path}:2: {message}"


def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal(env_file="/nope") == "--env-file: cannot read /nope: No such file or directory"
    (tmp_path / "latin").write_bytes(b"A=\xe9")
    assert refusal(env_file=str(tmp_path / "latin")) == f"--env-file: {tmp_path}/latin is not UTF-8 (byte 2)"


def test_labels_of_files_give_way_to_those_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("# c\na=file\nb=file\n")
    assert parse({"label": ["a=1", "bare"], "label_file": str(tmp_path / "labels")}).label == {
        "a": "1", "b": "file", "bare": "",
    }  # fmt: skip
    assert refusal(label="=x") == '--label: "=x" has an empty name'


# update --------------------------------------------------------------------------------------------------------------


def test_update_checks_new_limits_together_with_the_old_ones() -> None:
    old = parse({"memory": "64m", "memory_swap": "64m"})
    assert resource_options({"memory_swap": "128m"}, old).to_json() == {"memory": 64 << 20, "memory_swap": 128 << 20}
    with pytest.raises(InvalidInput, match="--memory-swap: is below --memory"):
        resource_options({"memory": "128m"}, old)


def test_update_lets_a_number_of_cpus_replace_a_quota_and_the_reverse() -> None:
    assert resource_options({"cpus": 1}, parse({"cpu_quota": 5000})).to_json() == {"cpus": 10**9}
    assert resource_options({"cpu_quota": 5000}, parse({"cpus": 1})).to_json() == {"cpu_quota": 5000}


def test_update_refuses_what_a_live_container_cannot_change() -> None:
    with pytest.raises(InvalidInput, match=r"^--volume: cannot be changed by update$"):
        resource_options({"volume": ["/a:/b"]})


def test_parsing_plain_options_costs_next_to_nothing() -> None:
    import time

    raw: dict[str, Any] = {"env": ["A=1"], "memory": "64m", "volume": ["/tmp:/b:ro"], "network": "none", "tty": True}
    best = min(_timed(lambda: parse(raw), time.perf_counter) for _ in range(200))
    assert best < 0.0005


def _timed(call: Any, clock: Any) -> float:
    begin: float = clock()
    call()
    return float(clock()) - begin
