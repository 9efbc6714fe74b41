from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rehearsal.compose_file import EXAMPLE, ROOT, Service, env_file, services
from tests.e2e.site import environment, free_port, python, until

FILLED = {
    "EARWITNESS_SECRET_KEY": "k" * 50,
    "EARWITNESS_PSEUDONYM_KEY": "p" * 50,
    "POSTGRES_PASSWORD": "a/b@c:d%25",
}
"""The three keys that the example leaves open; the password has signs that addresses read."""
NAME = re.compile(r"(EARWITNESS|GEMINI|PROLIFIC)_(?!PID)[A-Z_]+|DATABASE_URL|REDIS_URL")
LONG_LIVED = [name for name in services(env_file(EXAMPLE) | FILLED) if name != "migrate"]


def documented(path: Path) -> set[str]:
    """The names in the file, including those of commented-out defaults."""
    return set(re.findall(r"^#?([A-Z][A-Z_]+)=", path.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """`.env` filled in as docs/deployment.md says."""
    return env_file(EXAMPLE) | FILLED


@pytest.fixture(scope="module")
def composed(settings: dict[str, str]) -> dict[str, Service]:
    return services(settings)


def read_in(folder: str) -> Iterator[str]:
    """Names of environment variables in the code of `folder`: every string that looks like one."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            text = str(node.value) if isinstance(node, ast.Constant) else ""
            if NAME.fullmatch(text):
                yield text


def test_every_variable_that_the_code_reads_reaches_the_containers(
    composed: dict[str, Service],
) -> None:
    read = {*read_in("studyapp"), *read_in("pipeline")}
    assert {"PROLIFIC_TOKEN", "EARWITNESS_CLAP_MODEL", "DATABASE_URL"} <= read
    for name in ("site", "worker-cpu", "worker-gpu", "worker-api", "maintenance", "migrate"):
        service = composed[name]
        assert service.entry["env_file"] == ".env"
        assert read <= documented(EXAMPLE) | service.environment.keys(), name


def test_what_env_says_is_not_overruled() -> None:
    marked = {name: f"mark-{name}" for name in documented(EXAMPLE)}
    for service in services(marked).values():
        kept = {name: service.environment.get(name) for name in marked}
        if service.is_ours:
            assert kept == marked, service.name


def test_missing_keys_end_before_anything_starts() -> None:
    for name in FILLED:
        with pytest.raises(KeyError, match=f"{name}: set it in .env"):
            services(env_file(EXAMPLE) | FILLED | {name: ""})


def test_no_password_stands_in_an_address(composed: dict[str, Service]) -> None:
    for service in composed.values():
        for name, value in service.environment.items():
            assert FILLED["POSTGRES_PASSWORD"] not in value or "PASSWORD" in name


def test_only_the_service_for_https_listens_to_the_world(composed: dict[str, Service]) -> None:
    for service in composed.values():
        for port in service.entry.get("ports", []):
            assert service.name == "tls" or port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", LONG_LIVED)
def test_logs_memory_and_restarts_have_their_limits(
    composed: dict[str, Service], name: str
) -> None:
    entry: Any = composed[name].entry
    assert entry["restart"] == "unless-stopped"
    assert entry["init"] is True
    assert entry["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert entry["mem_limit"]


def test_what_is_waited_for_healthy_has_a_check(composed: dict[str, Service]) -> None:
    for service in composed.values():
        for name, condition in service.needs.items():
            if condition == "service_healthy":
                assert composed[name].check, (service.name, name)
                assert composed[name].entry["healthcheck"]["start_period"]


def test_the_database_is_of_the_version_that_the_image_can_back_up(
    composed: dict[str, Service],
) -> None:
    version = composed["database"].entry["image"].partition(":")[2].partition("-")[0]
    assert f"postgresql-client-{version} " in (ROOT / "Dockerfile").read_text()


def test_the_image_has_every_method_that_it_is_given_a_key_for() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert '".[site,login,pipeline,gemini,s3]"' in dockerfile


def test_the_health_check_passes_under_the_documented_settings(
    composed: dict[str, Service], settings: dict[str, str], tmp_path: Path
) -> None:
    """The image's own command responds to compose.yaml's own check; only the port differs."""
    port = free_port()
    command = [sys.executable, "-m", *image_command()]
    kept = {k: v for k, v in settings.items() if k.startswith("EARWITNESS_") and v}
    changes = kept | {"GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --workers 1"}
    python(tmp_path, "manage.py", "migrate", "--verbosity", "0", **kept)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(tmp_path, **changes), stderr=subprocess.DEVNULL
    ) as serving:
        check = [word.replace("8000", str(port)) for word in composed["site"].check]
        check[0] = sys.executable
        try:
            until(lambda: _passes(check), 60, "the health check passes")
        finally:
            serving.terminate()


def _passes(check: list[str]) -> bool:
    return subprocess.run(check, capture_output=True, timeout=20, check=False).returncode == 0


def image_command() -> list[str]:
    """The command that the Dockerfile sets for containers."""
    [line] = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("CMD")
    ]
    command: list[str] = ast.literal_eval(line.removeprefix("CMD "))
    return command
