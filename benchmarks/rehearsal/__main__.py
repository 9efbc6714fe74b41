"""Rehearses all of compose.yaml without Docker; prints a log, exits with 1 if a step failed.

python -m benchmarks.rehearsal [--work FOLDER]     as root, on Debian 12; needs the packages below

The image is built from the Dockerfile (buildah, chroot isolation) on a base of Debian packages.
Every service of compose.yaml then runs with its own command, environment and health check, all in
one network namespace. Somebody takes part over HTTPS; each service is killed and restarted while
others take part; a backup is restored on a second, empty machine, whose exports must have the same
bytes. Docker's memory limits, log rotation and restarts are not rehearsed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.rehearsal import image as rehearsal_image
from benchmarks.rehearsal.compose_file import EXAMPLE, env_file, services
from benchmarks.rehearsal.services import Machine, lay_files, lay_network

PROGRAMS = {
    "buildah": "buildah", "mmdebstrap": "mmdebstrap", "nginx": "nginx", "caddy": "caddy",
    "redis-server": "redis-server", "dnsmasq": "dnsmasq-base", "ip": "iproute2", "curl": "curl",
    "/usr/lib/postgresql/15/bin/initdb": "postgresql-15",
}  # fmt: skip
"""The Debian package of each program."""
INSIDE = "EARWITNESS_REHEARSAL_INSIDE"
HOST = "study.localhost"
"""A host name for which Caddy issues a certificate itself."""
KILLED = ("tls", "proxy", "site", "broker", "database", "worker-cpu", "worker-gpu", "worker-api",
          "maintenance")  # fmt: skip
SLOW = 30
EXPORTED_AT = re.compile(rb'"(?:exported_at|dateCreated)": "[^"]*"')
AUTHORITY = "caddy/pki/authorities/local/root.crt"
RUN = """
[subject]
model = "/app/fixtures/nano/musicgen-nano"
hookpoints = ["decoder.layers.3.resid_post"]
[corpus]
path = "/data/corpora/first"
min_seconds = 1.0
clip_seconds = 3.0
train_share = 0.4
validation_share = 0.3
[sae]
expansions = [4]
ks = [8]
steps = 100
[features]
threshold = 0.0
min_rate = 0.0
max_rate = 1.0
min_tracks = 3
[labels]
methods = ["descriptors", "corpus-tags"]
[scores]
scorers = ["reading"]
min_tracks = 1
[machine]
workers = 1
threads = 1
"""
QUEUE_RUN = """
from pathlib import Path
from studyapp.runs.services import configs, lifecycle as runs
text = Path("/data/first.toml").read_text()
config = configs.config_from_toml(text=text, base=Path("/data"))
runs.queue_run(run=runs.create_run(name="first", config=config, created_by=None))
"""
RUN_STATE = """
from studyapp.models import Run
run = Run.objects.get(name="first")
print(run.state, run.error)
"""
ANSWERED = """
from studyapp.models import Response
print(*Response.objects.values_list("trial__token", flat=True))
"""
BEGAN = time.monotonic()


def main() -> int:
    """Build the image, then do the rest in separate namespaces."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rehearsal", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/earwitness-rehearsal"))
    work = parser.parse_args().work.resolve()
    if INSIDE in os.environ:
        return _inside(work)
    missing = sorted({pack for program, pack in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        print(f"missing: apt-get install {' '.join(missing)}")
        return 1
    work.mkdir(parents=True, exist_ok=True)
    rehearsal_image.built(work)
    _say("the image is built")
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    again = [sys.executable, "-m", "benchmarks.rehearsal", "--work", str(work)]
    return subprocess.run([*apart, *again], env=os.environ | {INSIDE: "1"}, check=False).returncode


def _inside(work: Path) -> int:
    composed = services(_settings())
    lay_network(work, [*composed, HOST])
    image = rehearsal_image.laid_out(work)
    lay_files(work, image)
    machines = work / "machines"
    shutil.rmtree(machines, ignore_errors=True)
    first = Machine(machines / "first", composed, image)
    first.prepare()
    try:
        original = _first_machine(first)
    finally:
        first.down()
    second = Machine(machines / "second", composed, image)
    second.prepare()
    try:
        good = _second_machine(second, first, original)
    finally:
        second.down()
    _say("rehearsed: everything held" if good else "rehearsed: NOT everything held")
    return 0 if good else 1


def _settings() -> dict[str, str]:
    """`.env` filled in as docs/deployment.md says, with a password full of special characters."""
    filled = {
        "EARWITNESS_SECRET_KEY": secrets.token_urlsafe(48),
        "EARWITNESS_PSEUDONYM_KEY": secrets.token_urlsafe(48),
        "POSTGRES_PASSWORD": "a/b@c:d%25 e",
        "EARWITNESS_HOSTS": HOST,
    }
    return env_file(EXAMPLE) | filled


def _first_machine(machine: Machine) -> dict[str, bytes]:
    """Go from an empty machine to a study's answers, and return the export's files."""
    machine.up()
    _say(f"up: {', '.join(machine.services)}")
    person = ("--noinput", "--username", "ada", "--email", "ada@example.org")
    password = secrets.token_urlsafe(12)
    asked = ("python", "manage.py", "createsuperuser", *person)
    _done(machine, *asked, DJANGO_SUPERUSER_PASSWORD=password)
    _make_study(machine)
    _tell(_simulate(machine, "first", 1))
    _say("one participant went through, over HTTPS")
    _slow_clients()
    _kill_each(machine)
    _done(machine, "python", "manage.py", "backup", "/backups/first")
    _say("backed up")
    _done(machine, "python", "manage.py", "export", "first", "--out", "/backups/exported")
    return _files(machine.folder / "backups" / "exported")


def _make_study(machine: Machine) -> None:
    corpus = machine.folder / "data" / "corpora" / "first"
    # Composed outside the image, which must not contain the soundfont because of its license.
    size = ("--tracks", "60", "--seconds", "3")
    composed = [sys.executable, "-m", "fixtures.corpus", "--out", str(corpus), *size]
    subprocess.run(composed, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["chown", "-R", "10001:10001", str(corpus.parent)], check=True)
    path = machine.folder / "data" / "first.toml"
    path.write_text(RUN)
    os.chown(path, 10001, 10001)
    _shell(machine, QUEUE_RUN)
    _say("a run is queued")
    while (state := _state(machine)) in ("queued", "running"):
        time.sleep(2)
    if state != "done":
        raise SystemExit(f"the run is {state}")
    _say("the workers did the run")
    design = ("--features", "8", "--trials", "4", "--ratings", "8", "--practice", "1")
    _done(machine, "python", "manage.py", "create_study", "first", "--slug", "first", *design,
          "--open")  # fmt: skip
    _say("a study is open")


def _state(machine: Machine) -> str:
    return _shell(machine, RUN_STATE).splitlines()[-1].split()[0]


def _simulate(machine: Machine, seed: str, count: int, *more: str) -> subprocess.Popen[str]:
    """Start the project's simulated listeners, who check every sound's bytes, over HTTPS."""
    authority = machine.folder / "certificates" / AUTHORITY
    deadline = time.monotonic() + 30
    while not authority.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    shutil.copy(authority, machine.folder / "backups" / "root.crt")
    os.chmod(machine.folder / "backups" / "root.crt", 0o644)
    asked = ["--participants", str(count), "--url", f"https://{HOST}", "--concurrency", "3"]
    asked += [*more, "--seed", str(sum(seed.encode()))]
    words = ("python", "manage.py", "simulate", "first", *asked)
    return machine.exec(*words, SSL_CERT_FILE="/backups/root.crt")


def _slow_clients() -> None:
    """Send the proxy headers without an end, and announce bodies that never come."""
    host = f"Host: {HOST}\r\n".encode()
    sent = [
        b"GET / HTTP/1.1\r\n" + host + b"X-More: ",
        b"POST /login/ HTTP/1.1\r\n" + host + b"Content-Length: 1000\r\n\r\nlogin=",
    ]
    with ExitStack() as stack:
        for words in sent:
            for _ in range(SLOW):
                client = stack.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", 8080))
                client.sendall(words)
        time.sleep(2)
        started = time.monotonic()
        asked = ["curl", "-fsS", "--max-time", "10", "http://127.0.0.1:8080/readyz"]
        subprocess.run(asked, check=True, stdout=subprocess.DEVNULL)
        _say(f"{len(sent) * SLOW} slow clients: /readyz in {time.monotonic() - started:.2f} s")


def _kill_each(machine: Machine) -> None:
    """Kill and restart every service while people listen; no answer may be lost or duplicated."""
    walking = _simulate(machine, "killed", 12, "--log", "/backups/acknowledged.jsonl")
    log = machine.folder / "backups" / "acknowledged.jsonl"
    while walking.poll() is None and not log.exists():
        time.sleep(0.2)
    for name in KILLED:
        machine.kill(name)
        started = time.monotonic()
        machine.start(name)
        machine.wait(name, "service_healthy")
        where = "listeners under way" if walking.poll() is None else "listeners through"
        _say(f"killed {name}: back after {time.monotonic() - started:.1f} s ({where})")
    _tell(walking)
    acknowledged = {json.loads(line)["trial"] for line in log.read_text().splitlines()}
    stored = _shell(machine, ANSWERED)
    tokens = stored.split()
    lost = acknowledged - set(tokens)
    _say(f"{len(acknowledged)} answers acknowledged, {len(lost)} lost, "
         f"{len(tokens) - len(set(tokens))} double")  # fmt: skip
    if lost or len(tokens) != len(set(tokens)):
        raise SystemExit("an acknowledged answer is lost or duplicated")


def _second_machine(machine: Machine, first: Machine, original: dict[str, bytes]) -> bool:
    """Restore the backup on an empty machine: refused with another key, else the same exports."""
    shutil.copytree(first.folder / "backups" / "first", machine.folder / "backups" / "first")
    subprocess.run(["chown", "-R", "10001:10001", str(machine.folder / "backups")], check=True)
    machine.up("database", "broker")
    machine.wait("database", "service_healthy")
    words = ("python", "manage.py", "restore", "/backups/first")
    stranger = machine.exec(*words, EARWITNESS_PSEUDONYM_KEY=secrets.token_urlsafe(48))
    refusal = stranger.communicate()[0].strip().splitlines()[-1]
    _say(f"under another key: {refusal[:110]} …")
    if stranger.returncode == 0:
        return False
    _done(machine, *words)
    _say("restored on an empty machine")
    machine.up()
    _say("up again")
    _done(machine, "python", "manage.py", "export", "first", "--out", "/backups/exported")
    restored = _files(machine.folder / "backups" / "exported")
    same = restored == original
    size = sum(map(len, original.values()))
    _say(f"exports: {len(original)} files, {size} bytes, {'equal' if same else 'DIFFERENT'}")
    _tell(_simulate(machine, "afterwards", 1))
    _say("one participant went through on the second machine")
    return same


def _files(folder: Path) -> dict[str, bytes]:
    """The bytes of each file, by path, without the time of the export."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): EXPORTED_AT.sub(b"", p.read_bytes()) for p in found}


def _shell(machine: Machine, code: str) -> str:
    return _done(machine, "python", "manage.py", "shell", "--no-imports", "-c", code)


def _done(machine: Machine, *command: str, **more: str) -> str:
    return _said(machine.exec(*command, **more))


def _tell(walking: subprocess.Popen[str]) -> None:
    """Print the summary of the simulated listeners."""
    said = _said(walking).partition("completed ")[2].splitlines()
    print(f"           completed {said[0].strip()}; {said[1].strip()}")


def _said(process: subprocess.Popen[str]) -> str:
    """The process's output; raises `SystemExit` if it failed."""
    output = process.communicate()[0]
    if process.returncode != 0:
        raise SystemExit(f"{process.args!r}: {output[-3000:]}")
    return output


def _say(line: str) -> None:
    print(f"{time.monotonic() - BEGAN:7.1f} s  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
