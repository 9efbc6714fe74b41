"""A real S3 server on the loopback interface, whose objects live in this process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

SECRET = "canary-91d2c4-secret"
"""Nothing that is kept or printed may hold it."""


class Store:
    """A server, which can be taken away, and an empty bucket."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever uses it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",  # The client's own pauses would make tests of outages long.
        }

    def bucket(self) -> str:
        """The name of a new bucket."""
        import fsspec

        name = f"earwitness-{uuid.uuid4().hex}"
        fsspec.filesystem("s3", use_listings_cache=False).mkdir(name)
        return name

    def go_away(self) -> None:
        """Refuse connections; the objects stay."""
        self._server.stop()

    def come_back(self) -> None:
        """Answer again, at the same address."""
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """An S3 server whose address and keys are in the environment."""
    from s3fs import S3FileSystem

    made = Store()
    S3FileSystem.clear_instance_cache()  # They keep the address that they were made with.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.variables.items():
            patch.setenv(name, value)
        yield made
    made.go_away()
