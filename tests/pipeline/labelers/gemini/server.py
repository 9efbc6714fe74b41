"""A server with the part of the Gemini API that is used: answers, faults, uploads, batches.

It speaks OpenAI's dialect too, `/v1/chat/completions`, with the same answers and faults.

What a question gets is decided by the order in which questions are first seen, so that a test
knows how many of each kind there are. It keeps count of whole answers a question: what is paid.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAMES = (
    "steady beat", "bright bells", "low hum", "harsh guitar", "soft flute", "church organ",
    "quick strings", "dry snare", "wide choir",
)  # fmt: skip

PAGE = b"<!DOCTYPE html><html><body>Please log in {}</body></html>"


def good_reply(number: int, model: str) -> dict[str, Any]:
    """A complete answer with six concepts, the same for the same number."""
    concepts = [
        {
            "name": NAMES[(number + place) % len(NAMES)],
            "confidence": round(0.9 - 0.1 * place, 2),
            "description": f"hypothesis {place} of question {number}",
        }
        for place in (1, 0, 2, 3, 4, 5)
    ]
    answer = {
        "concepts": concepts,
        "overall_name": f"overall {number}",
        "overall_summary": "what they share",
        "overall_confidence": 0.7,
    }
    return reply_of(json.dumps(answer), model)


def reply_of(text: str, model: str, finish: str = "STOP") -> dict[str, Any]:
    """A reply around an answer's text."""
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}
        ],
        "modelVersion": model,
        "usageMetadata": {
            "promptTokenCount": 3000,
            "candidatesTokenCount": 400,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2800}],
        },
    }


def completion_of(reply: dict[str, Any], fault: str = "") -> dict[str, Any]:
    """The same reply as a chat completion."""
    made: dict[str, Any] = {"model": reply["modelVersion"], "choices": [], "id": "chatcmpl-1"}
    for candidate in reply.get("candidates", []):
        finish = {"STOP": "stop", "MAX_TOKENS": "length"}[candidate["finishReason"]]
        message = {"role": "assistant", "content": candidate["content"]["parts"][0]["text"]}
        made["choices"].append({"message": message, "finish_reason": finish})
    if "promptFeedback" in reply:
        made["choices"] = [{"message": {"content": ""}, "finish_reason": "content_filter"}]
    if fault == "broke off":
        made["choices"][0]["finish_reason"] = "error"
    if fault == "empty error":
        made["error"] = {}
    if usage := reply.get("usageMetadata"):
        audio = usage["promptTokensDetails"][0]["tokenCount"]
        made["usage"] = {
            "prompt_tokens": usage["promptTokenCount"],
            "completion_tokens": usage["candidatesTokenCount"],
            "prompt_tokens_details": {"audio_tokens": audio},
        }
    return made


class GeminiServer(ThreadingHTTPServer):
    """`fault(number, tries)` names what goes wrong with the try of a question, if anything."""

    daemon_threads = True

    def __init__(self, fault: Callable[[int, int], str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = fault or (lambda number, tries: "")
        self.lock = threading.Lock()
        self.numbers: dict[str, int] = {}
        self.sounds: dict[str, int] = {}
        """Numbers of the questions, by the SHA-256 of their sound."""
        self.tries: Counter[int] = Counter()
        self.paid: Counter[int] = Counter()
        self.models: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.closing = threading.Event()
        self.hang_seconds = 30.0
        self.job_state = "SUCCEEDED"
        """How batch jobs end; none but this one has answers."""
        self.page = False
        """Whether a proxy's page comes in place of whatever is fetched."""
        self.is_router = False
        """Whether refusals come from a server behind this one, in a reply of status 200."""
        self.takes_schema = True
        """Whether chat completions take a JSON schema; one of another dialect refuses it."""
        self.heard: list[dict[str, str]] = []
        """The headers of every chat completion."""
        self.batch_fault = 0
        """The HTTP code with which new batch jobs are refused, if any."""

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def number_of(self, body: Any) -> tuple[int, int]:
        """A question's number, by its prompt and sound, and how many tries it had before."""
        if "messages" in body:
            # Its prompt is longer where the schema is given in words: the sound is the question.
            parts = [body["messages"][0]["content"][1]]
            inline = parts[0]["input_audio"]
        else:
            parts = body["contents"][0]["parts"]
            inline = parts[0].get("inlineData") or parts[0]["inline_data"]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        # The package writes the URL's alphabet, a batch file the other one.
        data = base64.b64decode(inline["data"].replace("-", "+").replace("_", "/"))
        sound = hashlib.sha256(data).hexdigest()
        with self.lock:
            number = self.numbers.setdefault(digest, len(self.numbers))
            self.sounds[sound] = number
            self.tries[number] += 1
            return number, self.tries[number] - 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves broken connections: nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    server: GeminiServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Do not log requests."""

    def do_POST(self) -> None:
        data = self._data()
        if self.path.startswith("/upload/v1beta/files"):
            self._upload_begins()
        elif self.path.startswith("/put/"):
            self.server.files[self.path.rpartition("/")[2]] = data
            name = f"files/{self.path.rpartition('/')[2]}"
            self._send(200, {"file": {"name": name}}, {"X-Goog-Upload-Status": "final"})
        elif found := re.fullmatch(r"/v1beta/models/(.+):batchGenerateContent", self.path):
            self._batch(found[1], json.loads(data))
        elif found := re.fullmatch(r"/v1beta/models/(.+):generateContent", self.path):
            self._answer(found[1], json.loads(data))
        elif self.path == "/v1/chat/completions":
            self.server.heard.append({name.lower(): value for name, value in self.headers.items()})
            self._chat(json.loads(data))
        else:
            self._send(404, {"error": {"code": 404, "message": self.path, "status": "NOT_FOUND"}})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.server.page:
            self._raw(200, PAGE)
        elif path.startswith("/v1beta/batches/"):
            self._send(200, self.server.jobs[path.removeprefix("/v1beta/")])
        elif path == "/v1beta/batches":
            self._send(200, {"operations": list(self.server.jobs.values())})
        elif (found := re.fullmatch(r"/(?:download/)?v1beta/files/(.+):download", path)) and (
            found[1] in self.server.files
        ):
            self._raw(200, self.server.files[found[1]])
        else:
            self._send(404, {"error": {"code": 404, "message": path, "status": "NOT_FOUND"}})

    def _answer(self, model: str, body: Any) -> None:
        number, tries = self.server.number_of(body)
        self.server.models[model] += 1
        fault = self.server.fault(number, tries)
        key = self.headers.get("x-goog-api-key", "")
        if not self._fails(number, fault, key):
            self._paid(number, json.dumps(self._reply(number, model, fault, key)).encode())

    def _chat(self, body: Any) -> None:
        if not self.server.takes_schema and "response_format" in body:
            refused = {"message": "response_format is not known here", "type": "invalid_request"}
            behind = self.server.is_router
            self._send(
                200 if behind else 400, {"error": refused | ({"code": 400} if behind else {})}
            )
            return
        number, tries = self.server.number_of(body)
        self.server.models[body["model"]] += 1
        fault = self.server.fault(number, tries)
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._fails(number, fault, key):
            reply = completion_of(self._reply(number, body["model"], fault, key), fault)
            self._paid(number, json.dumps(reply).encode())

    def _fails(self, number: int, fault: str, key: str) -> bool:
        """Whether a fault is not of the answer but of the connection, and was served."""
        if fault == "hang":
            self.server.closing.wait(self.server.hang_seconds)
            self.close_connection = True
        elif fault.isdigit():
            error = {"code": int(fault), "status": "FAULT", "message": f"no, not with {key}"}
            headers = {"Retry-After": "0.05"} if fault == "429" else {}
            self._send(int(fault), {"error": error}, headers)
        elif fault == "page":
            self._raw(200, PAGE)
        elif fault == "broken body":
            self._paid(number, b'{"candidates": [')
        elif fault == "502 inside":
            self._send(200, {"error": {"code": 502, "message": "the server behind failed"}})
        else:
            return False
        return True

    def _reply(self, number: int, model: str, fault: str, key: str) -> dict[str, Any]:
        if fault == "broken answer":
            return reply_of('{"concepts": [{"na', model)
        if fault == "truncated":
            return reply_of('{"concepts": [', model, finish="MAX_TOKENS")
        if fault == "blocked":
            return {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": model}
        if fault == "empty":
            return {"candidates": [], "modelVersion": model}
        if fault == "wrong model":
            return good_reply(number, "gemini-0-cheap")
        if fault == "half a character":
            return {**good_reply(number, model), "responseId": "\ud800"}
        if fault == "echo":
            return reply_of(f"not JSON, but your key is {key}", model)
        return good_reply(number, model)

    def _paid(self, number: int, data: bytes) -> None:
        # Counted before it is sent: who computed an answer bills it, heard or not.
        with self.server.lock:
            self.server.paid[number] += 1
        self._raw(200, data)

    def _upload_begins(self) -> None:
        name = f"up{len(self.server.files)}-{threading.get_ident()}"
        headers = {
            "X-Goog-Upload-URL": f"{self.server.url}/put/{name}",
            "X-Goog-Upload-Status": "active",
        }
        self._send(200, {}, headers)

    def _batch(self, model: str, body: Any) -> None:
        if code := self.server.batch_fault:
            self._send(code, {"error": {"code": code, "message": "no", "status": "FAULT"}})
            return
        given = body["batch"]["inputConfig"]["fileName"].removeprefix("files/")
        lines = []
        for line in self.server.files[given].splitlines():
            entry = json.loads(line)
            number, tries = self.server.number_of(entry["request"])
            fault = self.server.fault(number, tries)
            if fault.isdigit():
                error = {"code": int(fault), "message": "no"}
                lines.append({"key": entry["key"], "error": error})
            if fault.isdigit() or fault == "no line" or self.server.job_state != "SUCCEEDED":
                continue
            with self.server.lock:
                self.server.paid[number] += 1
            reply = self._reply(number, model, self.server.fault(number, tries), "")
            lines.append({"key": entry["key"], "response": reply})
        state, result = self.server.job_state, f"result{len(self.server.jobs)}"
        output = {"output": {"responsesFile": f"files/{result}"}} if state == "SUCCEEDED" else {}
        self.server.files[result] = "\n".join(map(json.dumps, lines)).encode()
        name = f"batches/job{len(self.server.jobs)}"
        self.server.jobs[name] = {
            "name": name,
            "done": True,
            "metadata": {
                "displayName": body["batch"]["displayName"],
                "state": f"BATCH_STATE_{state}",
                **output,
            },
        }
        self._send(200, {"name": name, "metadata": {"state": "BATCH_STATE_PENDING"}})

    def _data(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, code: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(code, json.dumps(content).encode(), headers)

    def _raw(self, code: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        with suppress(OSError):
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


_named: list[str] = []
"""Servers that are running; one for a whole session may be started inside another's block."""


def name(url: str) -> None:
    """Have the environment name that server, whatever other tests left there."""
    os.environ["EARWITNESS_GEMINI_URL"] = url


@contextmanager
def serving(fault: Callable[[int, int], str] | None = None) -> Iterator[GeminiServer]:
    """A server that runs while the block does, named by the environment: else no key goes there."""
    server = GeminiServer(fault)
    _named.append(server.url)
    os.environ["EARWITNESS_GEMINI_URL"] = server.url
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        _named.remove(server.url)
        if _named:
            os.environ["EARWITNESS_GEMINI_URL"] = _named[-1]
        else:
            os.environ.pop("EARWITNESS_GEMINI_URL", None)
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
