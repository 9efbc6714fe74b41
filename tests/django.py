"""`manage.py` in the suite's environment, for the checks of `make lint`."""

import tests.environment  # noqa: F401 - before Django's settings, as in the suite
from manage import main

if __name__ == "__main__":
    main()
