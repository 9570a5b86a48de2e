"""`python -m panini.probe [URL]`: exit code 0 if a process of Panini is ready; the health check of containers.

Without a URL it asks this container's own process, at PANINI_HEALTH_PORT where one is set, else at PANINI_PORT. It
needs the standard library alone, so that it costs little each time.
"""

import os
import sys
import urllib.error
import urllib.request
from typing import Final

TIMEOUT: Final = 4.0
"""Seconds for an answer."""


def main(arguments: list[str]) -> int:
    """Ask once; 0 ready, 1 not, with the reason on stderr."""
    url = arguments[0] if arguments else own()
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT):
            return 0
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


def own() -> str:
    """The address of this container's own process."""
    port = os.environ.get("PANINI_HEALTH_PORT") or os.environ.get("PANINI_PORT") or "8080"
    return f"http://127.0.0.1:{port}/readyz"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
