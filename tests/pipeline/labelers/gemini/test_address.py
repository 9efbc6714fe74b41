"""Which hosts may receive the key: Google's, and the one set in the environment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError
from pipeline.labelers import labeler
from pipeline.labelers.gemini.address import GOOGLE, VARIABLES, base_url_of
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import serving

KEY = "canary-93b7d1-key"


class Listener(BaseHTTPRequestHandler):
    """Records requests, and redirects them to another address if the server has one."""

    def do_POST(self) -> None:
        """Note the headers; lead on."""
        self.server.heard.append(dict(self.headers))  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(307)
        self.send_header("Location", self.server.onward)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def listener() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.heard, server.onward = [], ""
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_environment_names_the_host(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    assert base_url_of(GeminiConfig()) == GOOGLE
    assert base_url_of(GeminiConfig(base_url=GOOGLE + "/")) == GOOGLE + "/"
    monkeypatch.setenv(variable, "http://127.0.0.1:9999/")
    assert base_url_of(GeminiConfig()) == "http://127.0.0.1:9999/"
    assert base_url_of(GeminiConfig(base_url="http://127.0.0.1:9999")) == "http://127.0.0.1:9999"
    assert base_url_of(GeminiConfig(base_url=GOOGLE)) == GOOGLE


@pytest.mark.parametrize(
    "url",
    [
        "https://attacker.example",
        "http://generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com.attacker.example",
        "https://generativelanguage.googleapis.com@attacker.example",
        "https://attacker.example\\@generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com:8443",
        "http://127.0.0.1:9998",
        "//attacker.example",
        "file:///etc/passwd",
        "https://[::1",
        "https://x:port",
    ],
)
def test_a_config_names_no_other(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(VARIABLES[0], "http://127.0.0.1:9999")
    with pytest.raises(PipelineError, match=r"EARWITNESS_GEMINI_URL|not an address") as refused:
        base_url_of(GeminiConfig(base_url=url))
    assert "\n" not in str(refused.value)


def test_the_key_is_not_sent_where_others_can_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "http://proxy.example")
    with pytest.raises(PipelineError, match=r"^proxy\.example would get the key of the Gemini API"):
        base_url_of(GeminiConfig())


def test_a_server_that_only_the_config_names_hears_nothing(tmp_path: Path, listener: Any) -> None:
    many.make(tmp_path, 2, {"base_url": listener.url})
    config, directory = many.opened(tmp_path)
    with pytest.raises(PipelineError, match="the key is sent only to"):
        labeler("gemini").ready(config)
    with pytest.raises(PipelineError, match="the key is sent only to"):
        labels.run(config, directory, progress=SilentProgress())
    assert listener.heard == []


def test_a_redirection_does_not_take_the_key_along(
    tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        listener.onward = server.url
        monkeypatch.setenv(VARIABLES[0], listener.url)
        settings = {"attempts": 1, "requests_per_minute": 1e6, "backoff_seconds": 0.0}
        many.make(tmp_path, 1, settings)
        config, directory = many.opened(tmp_path)
        with suppress(PipelineError):
            labels.run(config, directory, progress=SilentProgress())
        assert [one["x-goog-api-key"] for one in listener.heard] == [KEY]
        assert not server.tries
