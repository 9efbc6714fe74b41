from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from studyapp.simulation import crowd
from studyapp.simulation.knowledge import Knowledge
from studyapp.simulation.listener import ListenerModel
from studyapp.simulation.vocabulary import Vocabulary


def test_listeners_say_where_they_come_from_as_browsers_do() -> None:
    """Over HTTPS a form without it is refused."""
    origins: list[str | None] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origins.append(self.headers["Origin"])
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        listeners = crowd.Crowd(
            link=f"{url}/s/x/", token="t", participants=1, seed=0, concurrency=1,
            real_time=False, model=ListenerModel(), headphones=1.0, log=None,
        )  # fmt: skip
        outcome = crowd.send(listeners, Knowledge({}, Vocabulary([])), lambda: None)
        server.shutdown()
    assert len(outcome.failures) == 1
    assert origins == [url]
