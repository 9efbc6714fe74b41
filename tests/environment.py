"""Loaded before Django's settings (`-p tests.environment`): no test touches a real data folder."""

import atexit
import os
import shutil
import tempfile

DATA = tempfile.mkdtemp(prefix="earwitness-test-")
os.environ["EARWITNESS_DATA"] = DATA
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Two test processes share two cores; a thread pool in each would only make them wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("DATABASE_URL", "REDIS_URL", "GEMINI_API_KEY", "EARWITNESS_SECRET_KEY"):
    os.environ.pop(name, None)
atexit.register(shutil.rmtree, DATA, ignore_errors=True)
