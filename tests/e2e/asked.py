"""The requests that the hot addresses and the application must answer alike."""

import re
import time

SUBMIT, PREDICT, READ = "/v1/models/MODEL/jobs", "/v1/models/MODEL/predict", "/v1/jobs/JOB"
PLAIN = b'{"input": NUMBER}'


def job_with(members: str) -> bytes:
    return f'{{"input": NUMBER, {members}}}'.encode()


# what else a body may say, and what it may not
GOOD = {
    "lane": '"lane": "bulk"',
    "deadline": '"deadline": 4000000000',
    "deadline as a time": '"deadline": "2100-01-01T00:00:00Z"',
    "deadline that is over": '"deadline": 1',
    "timeout": '"timeout": 5',
    "metadata": '"metadata": {"order": 17, "words": ["ä", null]}',
    "webhook": '"webhook": "http://127.0.0.1:9/nobody", "webhook_events": ["failed"]',
    "version": '"version": 1',
    "version that is none": '"version": 99',
    "cache": '"cache": false',
}
BAD = {
    "lane": '"lane": "fast"',
    "deadline": '"deadline": "tomorrow"',
    "deadline before all time": '"deadline": -1',
    "timeout": '"timeout": -1',
    "timeout without end": '"timeout": 1e300',
    "metadata": '"metadata": [1]',
    "metadata too large": '"metadata": {"a": "%s"}' % ("x" * 20_000),
    "webhook": '"webhook": "ftp://127.0.0.1/"',
    "events without a webhook": '"webhook_events": ["failed"]',
    "event": '"webhook": "http://127.0.0.1:9/", "webhook_events": ["queued"]',
    "version": '"version": 0',
    "cache": '"cache": "no"',
    "reply topic": '"reply_to": "secrets"',
    "unknown member": '"inptu": 1',
    "id of a client's own": '"id": "mine"',
    "id of another account": '"id": "FOREIGN"',
    "id of another model": '"id": "REMOVED"',
}
BODIES = {
    "nothing": b"",
    "no object": b"[1]",
    "no input": b"{}",
    "half a job": b'{"input": [1, 2',
    "more than a job": b'{"input": 1} {"input": 2}',
    "the same member twice": b'{"input": 1, "input": NUMBER}',
    "broken UTF-8": b'{"input": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"input": 1}',
    "NaN": b'{"input": NaN}',
    "too deep": b'{"input": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    "too large for the model": b'{"input": "' + b"x" * (1 << 20) + b'"}',
    "too large for all": b'{"input": "' + b"x" * (17 << 20) + b'"}',
}
KEYS = {
    "as X-API-Key": {"X-API-Key": "KEY"},
    "as X-API-Key beside another scheme": {"Authorization": "Basic eDp5", "X-API-Key": "KEY"},
    "as X-API-Key beside a wrong one": {"Authorization": "Bearer pn_x", "X-API-Key": "KEY"},
    "in small letters": {"authorization": "bearer KEY"},
    "twice, first right": {"Authorization": "Bearer KEY", "authorization": "Bearer pn_x"},
    "twice, first wrong": {"Authorization": "Bearer pn_x", "authorization": "Bearer KEY"},
    "wrong": {"Authorization": "Bearer pn_x"},
    "wrong as X-API-Key": {"X-API-Key": "pn_x"},
    "none": {"Authorization": ""},
}
PREFERENCES = {
    "a wait": {"Prefer": "wait=20"},
    "a fraction": {"Prefer": "wait=20.5"},
    "too long a wait": {"Prefer": "wait=9999999"},
    "no number": {"Prefer": "wait=abc"},
    "less than nothing": {"Prefer": "wait=-1"},
    "in quotes": {"Prefer": 'wait="20"'},
    "respond-async": {"Prefer": "respond-async"},
    "both": {"Prefer": "respond-async, wait=20"},
    "both, the other way round": {"Prefer": "WAIT = 20; respond-async"},
    "twice": {"Prefer": "wait=20", "prefer": "wait=1"},
    "on two lines": {"Prefer": "respond-async", "prefer": "wait=20"},
}
TAGS = {
    "its own": '"JOB"',
    "its own, weak": 'W/"JOB"',
    "one of several": '"x", "JOB"',
    "another": '"x"',
    "any": "*",
    "none": "",
}
IDS = {
    "that failed": "FAILED",
    "whose result was deleted": "DELETED",
    "that runs": "RUNNING",
    "that no worker has read": "UNREAD",
    "that is too old": "OLD",
    "of a removed model": "REMOVED",
    "of another account": "FOREIGN",
    "of nobody": "j_" + "x" * 32,
    "of a set": "b_" + "x" * 32,
    "that is too short": "j_" + "x" * 31,
    "that is too long": "JOBx",
    "of a client's own": "mine-17",
    "written in percent": "%6A_" + "x" * 32,
}

Asked = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""

REQUESTS: dict[str, Asked] = {
    "a job": ("POST", SUBMIT, {}, PLAIN),
    "predict": ("POST", PREDICT, {}, PLAIN),
    "a predict that fails": ("POST", PREDICT, {}, b'{"input": "word"}'),
    "a job that fails": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": "word"}'),
    "a predict whose answer is known": ("POST", PREDICT, {}, b'{"input": 4}'),
    "a job whose answer is known": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": 4}'),
    "an id again": ("POST", SUBMIT, {"Prefer": "wait=20"}, b'{"input": 5, "id": "REPEATED"}'),
    "an id of what has ended": ("POST", SUBMIT, {}, b'{"input": 4, "id": "JOB"}'),
    "an id of what has failed": ("POST", PREDICT, {}, b'{"input": "word", "id": "FAILED"}'),
    "no wait for what runs": ("POST", "/v1/models/HELD/jobs", {"Prefer": "wait=0"}, PLAIN),
    "no wait for a predict that runs": ("POST", "/v1/models/HELD/predict", {"Prefer": "wait=0.01"}, PLAIN),
    "a traceparent": ("POST", SUBMIT, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, PLAIN),
    "a traceparent that is none": ("POST", SUBMIT, {"traceparent": "x"}, PLAIN),
    "an idempotency key": ("POST", SUBMIT, {"Idempotency-Key": "NUMBER", "Prefer": "wait=20"}, PLAIN),
    "an idempotency key that is none": ("POST", SUBMIT, {"Idempotency-Key": "a b"}, PLAIN),
    "no such model": ("POST", "/v1/models/no-such/jobs", {}, PLAIN),
    "predict of no such model": ("POST", "/v1/models/no-such/predict", {}, PLAIN),
    "a name that is none": ("POST", "/v1/models/NO_SUCH/jobs", {}, PLAIN),
    "no name": ("POST", "/v1/models//jobs", {}, PLAIN),
    "a model without a live version": ("POST", "/v1/models/DEAD/jobs", {}, PLAIN),
    "predict of it": ("POST", "/v1/models/DEAD/predict", {}, PLAIN),
    "a job of another media type": ("POST", SUBMIT, {"Content-Type": "application/x-www-form-urlencoded"}, PLAIN),
    "a job in an encoding": ("POST", SUBMIT, {"Content-Encoding": "gzip"}, PLAIN),
    "an answer of another media type": ("POST", SUBMIT, {"Accept": "text/html"}, PLAIN),
    "a page's job": ("POST", SUBMIT, {"Origin": "http://elsewhere", "Content-Type": "text/plain"}, PLAIN),
    "a state": ("GET", READ, {}, b""),
    "a state, with a body": ("GET", READ, {}, b"{}"),
    **{f"a job, {name}": ("POST", SUBMIT, {}, job_with(some)) for name, some in GOOD.items()},
    **{f"predict, {name}": ("POST", PREDICT, {}, job_with(some)) for name, some in GOOD.items()},
    **{f"a job, wrong {name}": ("POST", SUBMIT, {}, job_with(some)) for name, some in BAD.items()},
    **{f"predict, wrong {name}": ("POST", PREDICT, {}, job_with(some)) for name, some in BAD.items()},
    **{f"a body, {name}": ("POST", SUBMIT, {}, body) for name, body in BODIES.items()},
    **{f"a key, {name}": ("POST", SUBMIT, some, PLAIN) for name, some in KEYS.items()},
    **{f"a key to read, {name}": ("GET", READ, some, b"") for name, some in KEYS.items()},
    **{f"prefer {name}": ("POST", SUBMIT, some, PLAIN) for name, some in PREFERENCES.items()},
    **{f"predict, prefer {name}": ("POST", PREDICT, some, PLAIN) for name, some in PREFERENCES.items()},
    **{f"a state, prefer {name}": ("GET", READ, some, b"") for name, some in PREFERENCES.items()},
    **{f"a state, tag {name}": ("GET", READ, {"If-None-Match": tag}, b"") for name, tag in TAGS.items()},
    **{f"a job {name}": ("GET", f"/v1/jobs/{job_id}", {}, b"") for name, job_id in IDS.items()},
    **{f"{method} of a job": (method, READ, {}, b"") for method in ("HEAD", "OPTIONS", "POST", "PUT")},
    **{f"{method} of jobs": (method, SUBMIT, {}, b"") for method in ("HEAD", "OPTIONS", "PUT", "DELETE")},
    **{f"{method} of predict": (method, PREDICT, {}, b"") for method in ("GET", "HEAD", "OPTIONS", "PUT")},
}


def filled(asked: Asked, words: dict[str, str]) -> Asked:
    """The request, with no number that came before: no answer of one way is the other's cache."""
    method, path, headers, body = asked
    known = words | {"NUMBER": str(time.time_ns())}
    pattern = re.compile("|".join(known))

    def fill(text: str) -> str:
        return pattern.sub(lambda found: known[found[0]], text)

    named = {name: fill(value) for name, value in headers.items()}
    if not {"authorization", "x-api-key"} & {name.lower() for name in headers}:
        named["Authorization"] = f"Bearer {words['KEY']}"
    return method, fill(path), named, fill(body.decode("latin-1")).encode("latin-1")
