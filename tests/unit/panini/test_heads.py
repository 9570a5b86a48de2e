"""Heads that came before: only what is the same, byte for byte, and whole, goes without the parser."""

import pytest

from panini import heads, hot

JOB = b"j_" + b"x" * 32
GET = b"GET /v1/jobs/" + JOB + b" HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer one\r\n\r\n"
POST = b"POST /v1/models/m/jobs HTTP/1.1\r\nAuthorization: Bearer one\r\nContent-Length: 4\r\n\r\n"


class Way:
    """Answers nothing."""

    def __init__(self, length: int = 0, *, lasting: bool = True) -> None:
        self.length = length
        self.lasting = lasting
        self.holds = True

    def begin(self, said: bytes) -> hot.Said:
        raise AssertionError(said)


@pytest.fixture
def known() -> heads.Heads:
    return heads.Heads()


def test_a_post_with_a_known_head(known: heads.Heads) -> None:
    way = Way(4)
    known.learn(POST + b"1234", way)

    assert known.find(POST + b"5678") == (way, b"5678")
    assert known.find(POST + b"567") is None
    assert known.find(POST + b"56789") is None
    assert known.find(POST + b"5678" + GET) is None
    assert known.find(POST.replace(b"one", b"two") + b"5678") is None


def test_a_get_of_another_job_with_a_known_head(known: heads.Heads) -> None:
    way, other = Way(), b"j_" + b"Y-_9" * 8
    known.learn(GET, way)

    assert known.find(GET.replace(JOB, other)) == (way, other)
    assert known.find(GET + GET) is None
    assert known.find(GET[:-1]) is None
    assert known.find(GET.replace(b"one", b"two")) is None


@pytest.mark.parametrize("odd", [JOB[:-7] + b"/output", JOB[:-6] + b"?wait=", JOB + b"x", JOB[:-1], JOB[:-1] + b" "])
def test_what_is_no_job_s_own_address(known: heads.Heads, odd: bytes) -> None:
    known.learn(GET, Way())

    assert known.find(GET.replace(JOB, odd)) is None


def test_a_body_that_was_not_there_yet_when_the_head_was_learned(known: heads.Heads) -> None:
    way = Way(4)
    known.learn(POST, way)

    assert known.find(POST) is None
    assert known.find(POST + b"1234") == (way, b"1234")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n" + POST,
        b"\r\n" + GET,
        POST.replace(b"\r\n", b"\n") + b"a\r\n\r\nb",
        POST.replace(b"Content", b"X: 1\nContent"),
        GET + GET,
        POST[:-2],
        b"POST /v1/models/m/jobs HTTP/1.1\r\nX: " + b"x" * heads.LONGEST + b"\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_plainly_one_head_is_not_learned(known: heads.Heads, data: bytes) -> None:
    known.learn(data, Way())

    assert known.find(data) is None
    for end in range(len(data)):
        assert known.find(data[:end]) is None


def test_a_head_of_one_request_alone_is_not_learned(known: heads.Heads) -> None:
    known.learn(GET, Way(lasting=False))

    assert known.find(GET) is None


def test_nothing_holds_when_the_directory_changed(known: heads.Heads) -> None:
    way, other = Way(), Way(4)
    known.learn(GET, way)
    known.learn(POST, other)

    way.holds = False

    assert known.find(GET) is None
    assert known.find(POST + b"1234") is None


def test_only_so_many_are_kept(known: heads.Heads) -> None:
    for number in range(heads.MOST + 1):
        known.learn(GET.replace(b"here", b"%d" % number), Way())

    assert known.find(GET.replace(b"here", b"0")) is None
    assert known.find(GET.replace(b"here", b"%d" % heads.MOST)) is not None
