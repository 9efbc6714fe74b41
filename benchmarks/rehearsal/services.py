"""Runs compose.yaml's services as processes with their own commands, environments and checks.

Our own services run in a chroot with the image's files; the others use Debian's programs, set up as
in their images. All of them share a network namespace, in which each has its name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rehearsal.compose_file import ROOT, Service
from benchmarks.rehearsal.image import Image

OURS = 10001
POSTGRES = Path("/usr/lib/postgresql/15/bin")
HEALTHY_SECONDS = 180.0


@dataclass
class Machine:
    """One simulated machine: its volumes and running services."""

    folder: Path
    services: Mapping[str, Service]
    image: Image
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Create empty volumes."""
        for name, owner in (("data", OURS), ("backups", OURS), ("database", 0), ("logs", OURS)):
            path = self.folder / name
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, owner, owner)
            path.chmod(0o755 if name == "database" else 0o700)
        for name, inside in (("data", "data"), ("backups", "backups")):
            target = self.image.root / inside
            target.mkdir(exist_ok=True)
            _mount("--bind", str(self.folder / name), str(target))
        Path("/data").mkdir(exist_ok=True)
        _mount(
            "--bind", str(self.folder / "data"), "/data"
        )  # The path at which the proxy sees the volume.
        _initialise_database(self.folder / "database", self.services["database"])

    def up(self, *names: str) -> None:
        """Start services, each after those that it waits for; all services if none is named."""
        for name in names or self.services:
            if name in self.running:
                continue
            for needed, condition in self.services[name].needs.items():
                self.up(needed)
                self.wait(needed, condition)
            self.start(name)

    def start(self, name: str) -> None:
        """Start one service's process."""
        service = self.services[name]
        command, environment = self._words(service)
        log = self.folder / "logs" / f"{name}.log"
        with log.open("ab") as out:
            os.chown(log, OURS, OURS)
            self.running[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    def is_healthy(self, name: str) -> bool:
        """The result of the service's health check; if it has none, whether it is running."""
        service, process = self.services[name], self.running[name]
        if process.poll() is not None:
            return False
        if not service.check:
            return True
        command, environment = self._inside(service, service.check)
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    def kill(self, name: str) -> None:
        """kill -9 the service's processes, as if its machine failed."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def down(self) -> None:
        """Stop all services, the last started first."""
        for name, process in reversed(self.running.items()):
            stop = self.services[name].entry.get("stop_signal", "SIGTERM")
            if process.poll() is None:
                os.killpg(process.pid, signal.Signals[stop if name != "database" else "SIGINT"])
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()
        for path in ("/data", self.image.root / "data", self.image.root / "backups"):
            subprocess.run(["umount", "--lazy", str(path)], check=True)

    def exec(self, *command: str, name: str = "site", **more: str) -> subprocess.Popen[str]:
        """Do what `docker compose run --rm NAME COMMAND` does."""
        words, environment = self._inside(self.services[name], list(command))
        return subprocess.Popen(
            words, env=environment | more, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self, name: str, condition: str) -> None:
        """Wait until the service meets a condition of `depends_on`."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        if condition == "service_completed_successfully":
            if self.running[name].wait(timeout=HEALTHY_SECONDS) != 0:
                raise SystemExit(f"{name} failed; see {self.folder}/logs/{name}.log")
            return
        while not self.is_healthy(name):
            if time.monotonic() > deadline or self.running[name].poll() is not None:
                raise SystemExit(f"{name} is not healthy; see {self.folder}/logs/{name}.log")
            time.sleep(0.5)

    def _words(self, service: Service) -> tuple[list[str], dict[str, str]]:
        command = service.command or self.image.command
        if service.name == "database":
            words = [str(POSTGRES / command[0]), *command[1:], "-D", str(self.folder / "database")]
            quiet = ["-c", "listen_addresses=*", "-c", "unix_socket_directories="]
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *words,
                    *quiet], _plain()  # fmt: skip
        if service.name == "proxy":
            number, _, group = service.entry["user"].partition(":")
            as_user = ["setpriv", f"--reuid={number}", f"--regid={group}", "--clear-groups"]
            return [*as_user, *command], _plain()
        return self._inside(service, command)

    def _inside(self, service: Service, command: list[str]) -> tuple[list[str], dict[str, str]]:
        """The command line that runs a command in the service's container."""
        if not service.is_ours:
            home = {"XDG_DATA_HOME": str(self.folder / "certificates")}
            return command, _plain() | service.environment | home
        image = self.image
        chroot = ["chroot", f"--userspec={OURS}:{OURS}", str(image.root)]
        enter = ["/bin/sh", "-c", f'cd {image.folder} && exec "$@"', "enter"]
        return [*chroot, *enter, *command], image.environment | service.environment


def lay_network(work: Path, names: list[str]) -> None:
    """Set up the namespace's loopback, the services' names, and a resolver at Docker's address."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hosts = work / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in names))
    _mount("--bind", str(hosts), "/etc/hosts")
    asked = ["--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}"]
    where = ["--listen-address=127.0.0.11", "--bind-interfaces", "--user=root", "--pid-file="]
    subprocess.Popen(["dnsmasq", *asked, *where])


def lay_files(work: Path, image: Image) -> None:
    """Mount the kernel's folders into the image, and the files that compose.yaml mounts."""
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    for name in ("proc", "dev", "dev/shm"):
        _mount("--bind", f"/{name}", str(image.root / name))
    for name in ("hosts", "nsswitch.conf"):
        shutil.copy(f"/etc/{name}", image.root / "etc" / name)
    _mount("--bind", str(ROOT / "deploy" / "nginx.conf"), "/etc/nginx/nginx.conf")
    caddyfile = Path("/etc/caddy/Caddyfile")
    caddyfile.parent.mkdir(parents=True, exist_ok=True)
    caddyfile.touch()
    _mount("--bind", str(ROOT / "deploy" / "Caddyfile"), str(caddyfile))
    # Otherwise Caddy would add its own certificate authority to this machine's.
    for name in ("/etc/ssl/certs", "/usr/local/share/ca-certificates"):
        copy = work / name.strip("/").replace("/", "-")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(name, copy, symlinks=True)
        _mount("--bind", str(copy), name)


def _initialise_database(folder: Path, service: Service) -> None:
    """Do what the image's entry point does: create the role, its password and its database."""
    if any(folder.iterdir()):
        return
    given = service.environment
    shutil.chown(folder, "postgres", "postgres")
    password = folder.parent / "password"
    password.write_text(given["POSTGRES_PASSWORD"])
    shutil.chown(password, "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    how = ["-U", given["POSTGRES_USER"], f"--pwfile={password}", "--auth=scram-sha-256"]
    made = [str(POSTGRES / "initdb"), "-D", str(folder), *how]
    subprocess.run([*as_postgres, *made], check=True, stdout=subprocess.DEVNULL, cwd="/")
    create = f"CREATE DATABASE {given['POSTGRES_DB']};\n"
    single = [str(POSTGRES / "postgres"), "--single", "-D", str(folder), "postgres"]
    subprocess.run([*as_postgres, *single], input=create.encode(), check=True, capture_output=True)


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"] + ":/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "HOME": "/root"}


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
