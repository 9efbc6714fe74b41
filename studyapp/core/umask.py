"""Makes the files that this process writes private; called first in every process."""

import os
import sys


def keep_private() -> None:
    """Set the umask to `EARWITNESS_UMASK`, 077 by default.

    Use `027` if a proxy runs as another user in the site's group and serves static files and media.
    """
    given = os.environ.get("EARWITNESS_UMASK", "077")
    try:
        umask = int(given, 8)
    except ValueError:
        sys.exit(f"EARWITNESS_UMASK is {given!r}: give three octal digits, such as 077 or 027")
    if not 0o007 <= umask <= 0o777 or umask & 0o007 != 0o007:
        sys.exit(f"EARWITNESS_UMASK is {given!r}: it must keep other users out, as 077 and 027 do")
    os.umask(umask)
