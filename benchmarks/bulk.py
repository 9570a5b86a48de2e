"""A bulk job set: NDJSON in, NDJSON out, every answer checked."""

import datetime as dt
import itertools
import json
import time

import httpx

from benchmarks import inputs, servers, stack, tables, usage

TIMEOUT = 180.0
"""Seconds that a set may take."""


def measure(found: stack.Stack, count: int, seed: str) -> tables.Figures:
    """Submit `count` jobs in one POST and read all their results; blocks. Times run from the start of the POST."""
    items = list(itertools.islice(inputs.endless(seed), count))
    body = "".join(f'{{"input":{item.text}}}\n' for item in items).encode("ascii")
    headers = {"Authorization": f"Bearer {found.key}", "Content-Type": "application/x-ndjson"}
    roles = [role for role in found.roles() if role.name != "client"]
    with httpx.Client(base_url=found.url, headers=headers, trust_env=False, timeout=TIMEOUT) as http:
        before, began, clock = usage.cpu(roles), time.time(), time.perf_counter()
        answer = http.post(f"/v1/models/{stack.MODEL}/bulk", content=body)
        accepted = time.perf_counter() - clock
        if answer.status_code != 202 or answer.json()["accepted"] != count:
            raise servers.Failed(f"the set was not accepted: {answer.status_code} {answer.text[:500]}")
        results = http.get(answer.json()["urls"]["results"], params={"lines": count, "wait": TIMEOUT - 10})
        used = usage.difference(before, usage.cpu(roles))
    lines = results.content.splitlines()
    if len(lines) != count:
        raise servers.Failed(f"{len(lines)} results of {count} jobs: {results.text[:500]}")
    wrong, last = 0, began
    for item, line in zip(items, lines, strict=True):
        job = json.loads(line)
        wrong += not item.matches(job.get("output"))
        if job.get("completed_at"):
            last = max(last, dt.datetime.fromisoformat(job["completed_at"]).timestamp())
    return {"accepted": count / accepted, "rate": count / max(last - began, 1e-3), "wrong": float(wrong)} | {
        f"cpu_us.{name}": 1e6 * seconds / count for name, seconds in used.items()
    }
