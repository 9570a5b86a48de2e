"""Clients that write down what they do and see: every way in, polls, lists and cancels, at whichever API is asked."""

import contextlib
import datetime as dt
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import kafka as kafka_python

from tests.faults import history, installation, lives
from wire import names


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A job as a client wants it."""

    n: int
    """Its input, and with that its name."""
    ref: str = ""
    """Its name where several have the same input."""
    do: str = "answer"
    gate: str | None = None
    """A file that predict() waits for."""
    sleep: float = 0.0
    deadline: float | None = None
    version: int | None = None
    webhook: str | None = None

    @property
    def name(self) -> str:
        """The client's own name of the job."""
        return self.ref or f"n{self.n}"

    def body(self) -> dict[str, Any]:
        """The job as it is posted."""
        given: dict[str, Any] = {"n": self.n}
        given |= {} if self.do == "answer" else {"do": self.do}
        given |= {} if self.gate is None else {"gate": self.gate}
        given |= {"sleep": self.sleep} if self.sleep else {}
        more = {"deadline": self.deadline, "version": self.version, "webhook": self.webhook}
        return {"input": given, "metadata": {"ref": self.name}} | {k: v for k, v in more.items() if v is not None}


class Client:
    """One client of one model."""

    def __init__(self, kept: history.History, at: installation.Installation, model: str) -> None:
        self.kept = kept
        self.model = model
        self._posting = itertools.cycle(at.posting)
        self._reading = itertools.cycle(at.reading)
        self._http = httpx.Client(headers=at.headers, trust_env=False, timeout=30)
        self._ids: dict[str, str] = {}

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # -- in ----------------------------------------------------------------------------------------------------

    def post(self, order: Order, *, wait: float | None = None) -> str:
        """POST until it is taken, each time at the next API; the job's name. A 503's id is sent again."""
        body = order.body()
        headers = {} if wait is None else {"Prefer": f"wait={wait:g}"}
        while True:
            url = f"{next(self._posting)}/v1/models/{self.model}/jobs"
            self._submitted("post" if wait is None else "wait", order)
            asked = time.time()
            try:
                answer = self._http.post(url, json=body, headers=headers)
            except httpx.TransportError:
                self._answered(0, order)
                time.sleep(0.1)
                continue
            self._answered(answer.status_code, order)
            found = answer.json()
            if answer.status_code in {200, 202}:
                self._ids[order.name] = found["id"]
                self._observed(order.name, found, asked)
                return order.name
            assert answer.status_code == 503, answer.text
            body |= {"id": found["id"]} if "id" in found else {}
            time.sleep(0.1)

    def bulk(self, orders: Sequence[Order]) -> None:
        """One bulk set, sent again under its id until it is taken."""
        lines = "\n".join(json.dumps(order.body()) for order in orders)
        again: dict[str, str] = {}
        while True:
            url = f"{next(self._posting)}/v1/models/{self.model}/bulk"
            self._submitted("bulk", *orders)
            code = 0
            with contextlib.suppress(httpx.TransportError):
                answer = self._http.post(url, content=lines.encode(), params=again)
                code = answer.status_code
                again = {"id": answer.json()["id"]} if "id" in answer.json() else again
            self._answered(code, *orders)
            if code == 202:
                return
            time.sleep(0.1)

    def produce(
        self, producer: kafka_python.KafkaProducer, orders: Sequence[Order], *, partition: int | None = None
    ) -> None:
        """One record of these jobs straight to Kafka."""
        jobs = [order.body() | {"id": order.name} for order in orders]
        for job, order in zip(jobs, orders, strict=True):
            if order.deadline is not None:
                job["deadline"] = int(order.deadline * 1000)
        value = json.dumps(jobs).encode()
        self._submitted("kafka", *orders)
        for order in orders:
            self._ids[order.name] = order.name
        sent = producer.send(names.jobs_topic("default", self.model), value, partition=partition).get(30)
        for order in orders:
            self.kept.add(
                history.Placed(ref=order.name, topic=sent.topic, partition=sent.partition, offset=sent.offset)
            )
        self._answered(202, *orders)

    # -- out ---------------------------------------------------------------------------------------------------

    def look(self, ref: str, *, wait: float = 0.0) -> history.Observed | None:
        """The job now; None where it is not known yet, or its API is away."""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs/{self._ids[ref]}"
        asked = time.time()
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.get(url, params={"wait": f"{wait:.2f}"} if wait else {})
            if answer.status_code == 200:
                return self._observed(ref, answer.json(), asked)
            assert answer.status_code in {404, 503}, answer.text
        return None

    def ended(self, ref: str, *, within: float = 60.0) -> history.Observed | None:
        """The job once it ended; None where it does not."""
        until = time.monotonic() + within
        while (left := until - time.monotonic()) > 0:
            found = self.look(ref, wait=min(left, 2.0))
            if found is not None and found.status in lives.TERMINAL:
                return found
            if found is None:
                time.sleep(0.05)
        return None

    def cancel(self, ref: str) -> str | None:
        """Cancel it; its status then. None: its API is away, or does not know it yet."""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs/{self._ids[ref]}/cancel"
        asked = time.time()
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.post(url)
            if answer.status_code == 200:
                status: str = answer.json()["status"]
                self.kept.add(history.Canceled(asked=asked, at=time.time(), ref=ref, status=status))
                return status
            assert answer.status_code in {404, 503}, answer.text
        return None

    def pages(self) -> None:
        """Every job of the model, as a list shows it: without outputs."""
        cursor: str | None = ""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs"
        while cursor is not None:
            asked = time.time()
            answer = self._http.get(url, params={"limit": 200, "cursor": cursor})
            if answer.status_code == 503:
                return
            page = answer.json()
            for job in page["jobs"]:
                if job["metadata"]:
                    self._ids.setdefault(job["metadata"]["ref"], job["id"])
                    self._observed(job["metadata"]["ref"], job, asked)
            cursor = page["next"]

    # -- the book ----------------------------------------------------------------------------------------------

    def _submitted(self, way: str, *orders: Order) -> None:
        now = time.time()
        self.kept.add(
            *(
                history.Submitted(
                    at=now,
                    ref=order.name,
                    n=order.n,
                    way=way,
                    do=order.do,
                    deadline=order.deadline,
                    version=order.version,
                    webhook=order.webhook is not None,
                )
                for order in orders
            )
        )

    def _answered(self, code: int, *orders: Order) -> None:
        now = time.time()
        self.kept.add(*(history.Answered(at=now, ref=order.name, code=code) for order in orders))

    def _observed(self, ref: str, job: Mapping[str, Any], asked: float) -> history.Observed:
        error = job["error"]
        seen = history.Observed(
            asked=asked,
            at=time.time(),
            ref=ref,
            status=job["status"],
            attempt=job["attempt"],
            version=job["version"],
            cached=job["cached"],
            error=None if error is None else error["type"],
            started=_seconds(job["started_at"]),
            completed=_seconds(job["completed_at"]),
            output=job.get("output"),
            whole="output" in job,
        )
        self.kept.add(seen)
        return seen


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else dt.datetime.fromisoformat(moment).timestamp()
