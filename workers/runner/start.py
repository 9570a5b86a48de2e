"""The first file of a runner: makes the kit importable, and nothing else of it visible to the model.

Arguments: the descriptor of the socket, and of the journal or -1.
"""

import pathlib
import sys

if __name__ == "__main__":
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent)
    from _panini_runner import child  # type: ignore[import-not-found]  # the kit's name for this package

    del sys.path[0]
    child.main(int(sys.argv[1]), int(sys.argv[2]))
