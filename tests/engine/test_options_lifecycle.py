"""Names, restart policies, logs, images, and the health check that results."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.engine.options import parse
from ringfence.engine.options_health import SECOND, healthcheck

from .test_options import refusal


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", "a", '--name: "a" is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed'),
        ("name", "-web", '--name: "-web" is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed'),
        ("name", "wéb", '--name: "wéb" is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed'),
        ("restart", "maybe", '--restart: "maybe" is not one of no, on-failure[:TIMES], always, unless-stopped'),
        ("restart", "always:3", '--restart: "always:3" is not a restart policy: only on-failure takes a number of '
                                "times"),
        ("restart", "on-failure:x", '--restart: "x" is not a number'),
        ("pull", "sometimes", '--pull: "sometimes" is not one of always, missing, never, newer'),
        ("runtime", "kata", "--runtime: unknown runtime kata (ringrun, runc, crun or an absolute path)"),
        ("platform", "linux/", '--platform: "linux/" is not of the form OS[/ARCHITECTURE[/VARIANT]]'),
        ("timeout", "-1", '--timeout: "-1" is below 0'),
        ("cidfile", "a\0b", "--cidfile: the value contains a NUL byte"),
        ("log_driver", "syslog", "--log-driver: syslog: not built yet (use k8s-file, json-file or none)"),
        ("log_driver", "paper", '--log-driver: "paper" is not one of k8s-file, json-file, none'),
        ("log_opt", "max-size", '--log-opt: "max-size" is not of the form NAME=VALUE'),
        ("log_opt", "max-size=big", '--log-opt: "big" is not a size'),
        ("log_opt", "max-file=0", '--log-opt: "0" is below 1'),
        ("log_opt", "colour=red", '--log-opt: "colour=red" is not a known log option'),
        ("log_opt", "mode=non-blocking", "--log-opt: mode=non-blocking: not built yet (max-size and max-file are)"),
        ("health_interval", "10us", '--health-interval: "10us" is below the minimum of 1ms'),
        ("health_retries", "-1", '--health-retries: "-1" is below 0'),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused(name: str, value: str, message: str) -> None:
    assert refusal(**{name: value}) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"rm": True, "restart": "always"}, "--rm: cannot be combined with --restart"),
        ({"log_driver": "none", "log_opt": "max-size=1m"}, "--log-opt: cannot be set with --log-driver none"),
        ({"log_opt": "max-file=3"}, "--log-opt: max-file needs max-size"),
        ({"no_healthcheck": True, "health_cmd": "true"}, "--no-healthcheck: cannot be combined with --health-cmd"),
    ],
)
def test_policies_that_contradict_each_other_are_refused(raw: dict[str, object], message: str) -> None:
    assert refusal(**raw) == message


def test_a_name_may_begin_with_a_slash_as_docker_shows_it() -> None:
    assert parse({"name": "/web_1.a-b"}).name == "web_1.a-b"


def test_a_restart_policy_may_count() -> None:
    assert parse({"restart": "on-failure:3"}).restart == {"policy": "on-failure", "retries": 3}
    assert parse({"rm": True, "restart": "no"}).rm


def test_log_options_are_read_into_numbers() -> None:
    assert parse({"log_opt": {"max-size": "10m", "max-file": 3}}).log_opt == {"max-size": 10 << 20, "max-file": 3}


# health check --------------------------------------------------------------------------------------------------------

IMAGE: dict[str, Any] = {"config": {"Healthcheck": {"Test": ["CMD", "ping"], "Interval": 5 * SECOND, "Retries": 7}}}


def test_without_a_health_check_there_is_none() -> None:
    assert healthcheck(parse({}), {}) is None
    assert healthcheck(parse({"no_healthcheck": True}), IMAGE) is None
    assert healthcheck(parse({}), {"config": {"Healthcheck": {"Test": ["NONE"]}}}) is None
    assert healthcheck(parse({"health_interval": "1s"}), {}) is None
    assert healthcheck(parse({"health_cmd": "none"}), IMAGE) is None


def test_the_command_line_comes_before_the_image_and_that_before_the_defaults() -> None:
    assert healthcheck(parse({"health_cmd": "curl -f x", "health_interval": "2s"}), IMAGE) == {
        "Test": ["CMD-SHELL", "curl -f x"],
        "Interval": 2 * SECOND,
        "Timeout": 30 * SECOND,
        "StartPeriod": 0,
        "StartInterval": 5 * SECOND,
        "Retries": 7,
    }


def test_a_health_command_may_be_an_argv() -> None:
    assert parse({"health_cmd": '["curl", "x"]'}).health_cmd == ["CMD", "curl", "x"]
    assert parse({"health_cmd": ["CMD-SHELL", "curl x"]}).health_cmd == ["CMD-SHELL", "curl x"]


def test_an_empty_text_is_no_name_and_no_file_as_dockers_defaults_are() -> None:
    assert parse({"name": "", "cidfile": "", "pid": "", "stop_signal": "", "log_driver": ""}).to_json() == {}
