"""Runs between fork and a child's own program: ties the child's life to its parent's, then becomes the program.

`python -I -S launch.py PARENT SIGNAL PROGRAM ARGUMENT…`. A script rather than `preexec_fn`, because Python code between
fork and exec can deadlock in a process that has threads. It imports nothing of the project and costs about 15 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); survives execve


def main() -> None:
    """Asks the kernel for SIGNAL when the parent ends (Linux; elsewhere nothing can), then executes the program."""
    parent, signal, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
