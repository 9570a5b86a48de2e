"""How a batch that failed as a whole is run again, so that the guilty input fails alone. Pure."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def split(unanswered: Sequence[T], *, together: bool) -> list[list[T]]:
    """The groups to run again, in order, of the items that got no answer.

    Inputs that ran one by one stopped at the first unanswered one: it runs alone, the rest follows as a group. A call
    that took them together tells nothing about which one it was: halves. One guilty input among n costs at most
    2 log2(n) extra calls, or one extra call when they ran one by one.
    """
    if len(unanswered) <= 1:
        return [list(unanswered)] if unanswered else []
    middle = len(unanswered) // 2 if together else 1
    return [list(unanswered[:middle]), list(unanswered[middle:])]
