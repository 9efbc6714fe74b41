"""A local server with the part of Prolific's API that is used, and with Prolific's own rules.

Past the last page of a list it answers 404; places of a published study only grow; completion codes
have a kind and complete actions; a rejection needs a category and 100 characters; a test
study is made of a draft, and only if there is a test participant; a person is in a group once;
approving twice approves once, but paying a bonus twice pays twice; a busy server answers 429.
"""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

TOKEN = "a-researchers-token"
STUDY = "their-study"
MOST_PER_PAGE = 100
FEE = 1.4
"""What a participant's reward costs, with Prolific's fee and tax."""
NEEDED = ("name", "description", "external_study_url", "prolific_id_option", "completion_codes",
          "total_available_places", "estimated_completion_time", "reward")  # fmt: skip
CODE_TYPES = {"COMPLETED", "FAILED_ATTENTION_CHECK", "FOLLOW_UP_STUDY", "GIVE_BONUS", "OTHER",
              "INCOMPATIBLE_DEVICE", "NO_CONSENT", "FIXED_SCREENOUT", "SCREENED_OUT",
              "SCREENED_IN"}  # fmt: skip
ACTORS = {"participant", "researcher"}
ACTIONS: dict[str, set[str]] = {
    "AUTOMATICALLY_APPROVE": set(), "MANUALLY_REVIEW": set(), "REQUEST_RETURN": {"return_reason"},
    "ADD_TO_PARTICIPANT_GROUP": {"participant_group"},
    "REMOVE_FROM_PARTICIPANT_GROUP": {"participant_group"},
    "FIXED_SCREEN_OUT_PAYMENT": {"fixed_screen_out_reward", "slots"},
}  # fmt: skip
"""What Prolific does on a code → what it needs for that."""
CHOICES = {"device_compatibility": {"desktop", "tablet", "mobile"},
           "peripheral_requirements": {"audio", "camera", "download", "microphone"}}  # fmt: skip
API = "/api/v1"
CREATED = {
    f"POST {API}/{path}/"
    for path in ("studies", "participant-groups", "submissions/bonus-payments",
                 "researchers/participants")
}  # fmt: skip
CATEGORIES = {"TOO_QUICKLY", "TOO_SLOWLY", "FAILED_INSTRUCTIONS", "INCOMP_LONGITUDINAL",
              "FAILED_CHECK", "LOW_EFFORT", "MALINGERING", "NO_CODE", "BAD_CODE", "NO_DATA",
              "UNSUPP_DEVICE", "OTHER"}  # fmt: skip
TURNS = {"PUBLISH": ("UNPUBLISHED", "ACTIVE"), "PAUSE": ("ACTIVE", "PAUSED"),
         "START": ("PAUSED", "ACTIVE")}  # fmt: skip


class RuleError(Exception):
    """A request that breaks a rule."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Prolific(ThreadingHTTPServer):
    """Serves studies, and the submissions of one of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.submissions: list[dict[str, Any]] = []
        self.studies: dict[str, dict[str, Any]] = {}
        self.bulks: dict[str, list[tuple[str, int]]] = {}
        self.paid: list[tuple[str, int]] = []
        """Every bonus that was paid: submission and cents."""
        self.messages: list[tuple[str, str]] = []
        """Every message that was sent: participant and words."""
        self.groups: dict[str, dict[str, Any]] = {}
        self.testers: list[str] = []
        """Mail addresses of test participants."""
        self.broken = 0
        """If set, every response has that status, and nothing is done."""
        self.busy = 0
        """How many of the next requests are answered with 429."""
        self.retry_after = ""
        """What a 429 says about when to ask again."""
        self.before: Callable[[str], None] | None = None
        self.after: Callable[[str], None] | None = None
        """Called with `METHOD path` before something is done, and before it is answered."""
        self.asked: list[str] = []
        self.elsewhere = ""
        """If set, lists lead on to this host."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def submit(self, pid: str, session: str, status: str, study: str = STUDY) -> None:
        self.submissions.append(
            {"id": session, "participant_id": pid, "status": status, "return_requested": None,
             "bonus_payments": [], "study_code": "", "study_id": study}
        )  # fmt: skip

    def submission(self, name: str) -> dict[str, Any]:
        found = [one for one in self.submissions if name in (one["id"], one["participant_id"])]
        if not found:
            raise RuleError(404, "no such submission")
        return found[0]

    def study(self, name: str) -> dict[str, Any]:
        if name == STUDY and name not in self.studies:
            self.studies[name] = _study(name, {"reward": 200, "total_available_places": 10})
            self.studies[name]["status"] = "ACTIVE"
        if name not in self.studies:
            raise RuleError(404, "no such study")
        return self.studies[name]


def _study(name: str, given: dict[str, Any]) -> dict[str, Any]:
    own = {"id": name, "status": "UNPUBLISHED", "places_taken": 0, "project": "their-project"}
    cost = given["reward"] * given["total_available_places"] * FEE
    return {**given, **own, "currency_code": "GBP", "total_cost": cost}


class Handler(BaseHTTPRequestHandler):
    server: Prolific

    def do_GET(self) -> None:
        self._reply(self._get)

    def do_POST(self) -> None:
        self._reply(self._post)

    def do_PATCH(self) -> None:
        self._reply(self._patch)

    def _reply(self, act: Callable[[list[str], dict[str, Any]], object]) -> None:
        self.server.asked.append(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = json.loads(self.rfile.read(length)) if length else {}
        what = f"{self.command} {urlparse(self.path).path}"
        if self.server.broken:
            return self._answer(self.server.broken, {"error": "broken"})
        if self.server.busy:
            self.server.busy -= 1
            return self._answer(429, {"error": {"detail": "too many requests"}})
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            return self._answer(401, {"error": "no token"})
        if self.server.before is not None:
            self.server.before(what)
        try:
            done = act(urlparse(self.path).path.strip("/").split("/")[2:], content)
        except RuleError as refusal:
            # Creations are refused with the error itself, most others with an object around it.
            said: object = {"detail": refusal.detail}
            return self._answer(refusal.status, said if what in CREATED else {"error": said})
        if self.server.after is not None:
            self.server.after(what)
        return self._answer(_status(what), done)

    def _get(self, path: list[str], _: dict[str, Any]) -> object:
        match path:
            case ["submissions"]:
                return self._list()
            case ["submissions", name]:
                return self.server.submission(name)
            case ["projects", name]:
                return {"id": name, "workspace": "their-workspace"}
            case ["participant-groups"]:
                return {"results": self._part([*self.server.groups.values()])}
            case ["participant-groups", name, "participants"]:
                members = self.server.groups[name]["participant_ids"]
                return {"results": self._part([{"participant_id": one} for one in members])}
            case ["messages"]:
                who = self._query()["user_id"]
                found = [
                    {"id": f"message{n}", "sender_id": "us", "body": html.escape(body)}
                    for n, (to, body) in enumerate(self.server.messages)
                    if to == who
                ]
                return {"results": found}
            case ["studies"]:
                return self._page([*self.server.studies.values()])
            case ["studies", name]:
                return self.server.study(name)
        raise RuleError(404, "unknown address")

    def _post(self, path: list[str], given: dict[str, Any]) -> object:
        match path:
            case ["studies"]:
                return self._create(given)
            case ["studies", name, "transition"]:
                return _turn(self.server.study(name), given)
            case ["submissions", "bonus-payments"]:
                return self._set_up(given)
            case ["messages"]:
                self.server.messages.append((given["recipient_id"], given["body"]))
                return {}
            case ["participant-groups"]:
                return self._make_group(given)
            case ["participant-groups", name, "participants"]:
                return self._add_to_group(name, given)
            case ["researchers", "participants"]:
                return self._make_tester(given)
            case ["studies", name, "test-study"]:
                return self._make_test(self.server.study(name))
            case ["bulk-bonus-payments", name, "pay"]:
                return self._pay(name)
            case ["submissions", "bulk-approve"]:
                for name in given["submission_ids"]:
                    _judge(self.server.submission(name), {"action": "APPROVE"})
                return {"message": "The request to bulk approve has been made successfully."}
            case ["submissions", name, "transition"]:
                return _judge(self.server.submission(name), given)
            case ["submissions", name, "request-return"]:
                return _ask_back(self.server.submission(name), given)
        raise RuleError(404, "unknown address")

    def _patch(self, path: list[str], given: dict[str, Any]) -> object:
        found, wanted = self.server.study(path[1]), given["total_available_places"]
        if found["status"] != "UNPUBLISHED" and wanted < found["total_available_places"]:
            raise RuleError(400, "total_available_places can only grow")
        found.update(given)
        found["total_cost"] = found["reward"] * wanted * FEE
        return found

    def _list(self) -> object:
        asked = self.server.study(self._query().get("study", ""))["id"]
        return self._page([one for one in self.server.submissions if one["study_id"] == asked])

    def _part(self, rows: list[Any]) -> list[Any]:
        """Of a list by limit and offset."""
        first = int(self._query().get("offset", 0))
        return rows[first : first + int(self._query().get("limit", MOST_PER_PAGE))]

    def _page(self, rows: list[dict[str, Any]]) -> object:
        given = self._query()
        size = min(int(given.get("page_size", 20)), MOST_PER_PAGE)
        page = int(given.get("page", 1))
        part = rows[size * (page - 1) : size * page]
        if not part and page > 1:
            raise RuleError(404, "Invalid page.")
        host = self.server.elsewhere or self.server.url
        onward = f"{host}{urlparse(self.path).path}?{urlencode(given | {'page': page + 1})}"
        link = {"href": onward if size * page < len(rows) else None, "title": "Next"}
        return {"results": part, "_links": {"next": link}, "meta": {"count": len(rows)}}

    def _query(self) -> dict[str, str]:
        found = parse_qs(urlparse(self.path).query)
        return {name: values[0] for name, values in found.items()}

    def _create(self, given: dict[str, Any]) -> object:
        if missing := [name for name in NEEDED if not given.get(name)]:
            raise RuleError(400, f"{missing[0]} is required")
        _check_codes(given)
        minutes, most = given["estimated_completion_time"], given.get("maximum_allowed_time")
        if most is not None and most < 2 + 2 * minutes + 2 * minutes**0.5:
            raise RuleError(400, f"{most} minutes are too few for a study of {minutes}")
        for name, allowed in CHOICES.items():
            if odd := set(given.get(name, ())) - allowed:
                raise RuleError(400, f"{name}: {odd} is not a choice")
        for one in given.get("filters", ()):
            is_chosen = one.get("selected_values") or "selected_range" in one
            if not (one.get("filter_id") and is_chosen):
                raise RuleError(400, "a filter has an identifier, and values or a range")
        name = f"study{len(self.server.studies)}"
        self.server.studies[name] = _study(name, given)
        return self.server.studies[name]

    def _make_group(self, given: dict[str, Any]) -> object:
        if given.get("workspace_id") != "their-workspace" or not given.get("name"):
            raise RuleError(400, "a group needs a name and a workspace")
        name = f"group{len(self.server.groups)}"
        self.server.groups[name] = {"id": name, "participant_ids": [], **given}
        return self.server.groups[name]

    def _add_to_group(self, name: str, given: dict[str, Any]) -> object:
        if name not in self.server.groups:
            raise RuleError(404, "no such group")
        members = self.server.groups[name]["participant_ids"]
        members += [one for one in given["participant_ids"] if one not in members]
        return {"results": []}

    def _make_tester(self, given: dict[str, Any]) -> object:
        if given["email"] in self.server.testers:
            raise RuleError(400, "this email is registered already")
        self.server.testers.append(given["email"])
        return {"participant_id": f"{len(self.server.testers):024x}"}

    def _make_test(self, found: dict[str, Any]) -> object:
        if not self.server.testers:
            raise RuleError(400, "there is no test participant")
        if found["status"] != "UNPUBLISHED":
            raise RuleError(400, f"the study is {found['status']}")
        name = f"test{len(self.server.studies)}"
        self.server.studies[name] = _study(name, found) | {"status": "ACTIVE"}
        return {"study_id": name, "study_url": f"https://prolific.test/{name}"}

    def _set_up(self, given: dict[str, Any]) -> object:
        lines = [line.split(",") for line in given["csv_bonuses"].split("\n") if line]
        amounts = [
            (self.server.submission(who)["id"], round(float(amount) * 100)) for who, amount in lines
        ]
        name = f"bulk{len(self.server.bulks)}"
        self.server.bulks[name] = amounts
        total = sum(cents for _, cents in amounts)
        return {"id": name, "amount": total, "total_amount": total * FEE}

    def _pay(self, name: str) -> object:
        if name not in self.server.bulks:
            raise RuleError(404, "no such payment")
        for who, cents in self.server.bulks[name]:
            self.server.paid.append((who, cents))
            self.server.submission(who)["bonus_payments"].append(cents)
        return {}

    def _answer(self, status: int, content: object) -> None:
        body = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429 and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _status(what: str) -> int:
    if what in CREATED:
        return 201
    if what.endswith("/pay/"):
        return 202
    return 204 if what == f"POST {API}/messages/" else 200


def _check_codes(given: dict[str, Any]) -> None:
    codes = given["completion_codes"]
    if len(codes) != len({one["code"] for one in codes}):
        raise RuleError(400, "each completion code must be unique")
    paid = 0
    for one in codes:
        if one["code_type"] not in CODE_TYPES or one.get("actor", "participant") not in ACTORS:
            raise RuleError(400, f"{one} has no known kind or actor")
        for action in one["actions"]:
            if ACTIONS.get(action["action"]) != set(action) - {"action"}:
                raise RuleError(400, f"{action} is not an action with what it needs")
            if action["action"] == "FIXED_SCREEN_OUT_PAYMENT":
                paid += 1
                if not 0 < action["fixed_screen_out_reward"] < given["reward"]:
                    raise RuleError(400, "a screen-out is paid less than the study")
    if paid > 1 or paid != sum(one["code_type"] == "FIXED_SCREENOUT" for one in codes):
        raise RuleError(400, "one code at most pays for screening out, and is of that kind")


def _turn(found: dict[str, Any], given: dict[str, Any]) -> object:
    start, end = TURNS[given["action"]]
    if found["status"] != start:
        raise RuleError(400, f"the study is {found['status']}")
    found["status"] = end
    return found


def _judge(found: dict[str, Any], given: dict[str, Any]) -> object:
    ends = {"APPROVE": "APPROVED", "REJECT": "REJECTED"}
    wanted = ends[given["action"]]
    if found["status"] == wanted:
        return found
    if found["status"] != "AWAITING REVIEW":
        raise RuleError(400, f"the submission is {found['status']}")
    if wanted == "REJECTED" and (
        len(given.get("message", "")) < 100 or given.get("rejection_category") not in CATEGORIES
    ):
        raise RuleError(400, "a rejection needs a category and at least 100 characters")
    found["status"] = wanted
    return found


def _ask_back(found: dict[str, Any], given: dict[str, Any]) -> object:
    if not given.get("request_return_reasons"):
        raise RuleError(400, "request_return_reasons is required")
    found["return_requested"] = "2026-01-01T00:00:00Z"
    return found


@contextmanager
def prolific() -> Iterator[Prolific]:
    """The server, running for the duration of the block."""
    server = Prolific()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
