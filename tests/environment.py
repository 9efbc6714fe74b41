"""Loaded before Django's settings (`-p tests.environment`): no test touches a real data folder.

`EARWITNESS_TEST_DATABASE=postgresql` runs the tests on a PostgreSQL started for them; an address
(`postgresql://…`) in its place names one that runs already. Default: SQLite.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack

DATA = tempfile.mkdtemp(prefix="earwitness-test-")
os.environ["EARWITNESS_DATA"] = DATA
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Two test processes share two cores; a thread pool in each would only make them wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Every visitor of a test has one address; the tests of the limit set it.
os.environ["EARWITNESS_PASSAGES_PER_ADDRESS"] = "0"
for name in (
    "DATABASE_URL", "REDIS_URL", "EARWITNESS_SECRET_KEY", "GEMINI_API_KEY",
    "EARWITNESS_AUDIO_CHAT_KEY", "EARWITNESS_AUDIO_CHAT_URL", "EARWITNESS_AUDIO_CHAT_MODELS",
):  # fmt: skip
    os.environ.pop(name, None)
atexit.register(shutil.rmtree, DATA, ignore_errors=True)

DATABASE = "EARWITNESS_TEST_DATABASE"
if os.environ.get(DATABASE) == "postgresql":
    from tests import postgresql

    running = ExitStack()
    # pytest-xdist's processes inherit the address and share the server; each has its own database.
    os.environ[DATABASE] = running.enter_context(postgresql.server())
    atexit.register(running.close)
if DATABASE in os.environ:
    os.environ["DATABASE_URL"] = os.environ[DATABASE]
