"""What this process writes is its owner's alone. Called first of all where a process begins."""

import os
import sys


def keep_private() -> None:
    """Set the umask: 077, or what `EARWITNESS_UMASK` says.

    `027` where a proxy of another user, in the site's group, serves static files and media.
    """
    given = os.environ.get("EARWITNESS_UMASK", "077")
    try:
        umask = int(given, 8)
    except ValueError:
        sys.exit(f"EARWITNESS_UMASK is {given!r}: give three octal digits, such as 077 or 027")
    if not 0o007 <= umask <= 0o777 or umask & 0o007 != 0o007:
        sys.exit(f"EARWITNESS_UMASK is {given!r}: others must be kept out, as by 077 or 027")
    os.umask(umask)
