"""Clients that write down what they do and see: every way in, polls, lists and cancels, at whichever API is asked."""

import contextlib
import dataclasses
import datetime as dt
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import kafka as kafka_python

from tests.faults import history, installation, lives
from wire import names

ANEW: Final = 10_000_000
"""What the input of a job grows by that takes the place of one whose fate is not known."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
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


class Known:
    """Which job is which, for all clients of a run: a list tells an id, and of a job that was never read no more."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.refs: dict[str, str] = {}

    def learn(self, ref: str, job_id: str) -> None:
        """That job has that id."""
        self.ids[ref] = job_id
        self.refs[job_id] = ref


class Client:
    """One client of one model."""

    def __init__(
        self, kept: history.History, at: installation.Installation, model: str, known: Known | None = None
    ) -> None:
        self.kept = kept
        self.model = model
        self._posting = itertools.cycle(at.posting)
        self._reading = itertools.cycle(at.reading)
        self._http = httpx.Client(headers=at.headers, trust_env=False, timeout=30)
        self._known = known or Known()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # -- in ----------------------------------------------------------------------------------------------------

    def post(self, order: Order, *, wait: float | None = None) -> str | None:
        """POST until it is taken, each time at the next API; the job's name.

        Odd inputs come with an Idempotency-Key and are sent again whatever happens; even ones only with the id that a
        503 carried: None where no answer came, as nobody may then know whether that job runs.
        """
        body = order.body()
        headers = {} if wait is None else {"Prefer": f"wait={wait:g}"}
        headers |= {"Idempotency-Key": order.name} if order.n % 2 else {}
        while True:
            url = f"{next(self._posting)}/v1/models/{self.model}/jobs"
            self._submitted("post" if wait is None else "wait", order)
            asked = time.time()
            try:
                answer = self._http.post(url, json=body, headers=headers)
            except httpx.TransportError as error:
                self._answered(0, order)
                if "Idempotency-Key" not in headers and not isinstance(error, httpx.ConnectError):
                    return None
                time.sleep(0.1)
                continue
            self._answered(answer.status_code, order)
            found = answer.json()
            if answer.status_code in {200, 202}:
                self._known.learn(order.name, found["id"])
                self._observed(order.name, found, asked)
                return order.name
            assert answer.status_code == 503, answer.text
            body |= {"id": found["id"]} if "id" in found else {}
            time.sleep(0.1)

    def bulk(self, orders: Sequence[Order]) -> tuple[str, list[str]]:
        """One bulk set, sent again under its id until it is taken; its id, and its jobs' names.

        Where no answer came it is another set that is sent, of other jobs.
        """
        again: dict[str, str] = {}
        while True:
            lines = "\n".join(json.dumps(order.body()) for order in orders)
            url = f"{next(self._posting)}/v1/models/{self.model}/bulk"
            self._submitted("bulk", *orders)
            try:
                answer = self._http.post(url, content=lines.encode(), params=again)
            except httpx.TransportError as error:
                self._answered(0, *orders)
                if not isinstance(error, httpx.ConnectError):
                    orders = [dataclasses.replace(order, n=order.n + ANEW) for order in orders]
                time.sleep(0.1)
                continue
            self._answered(answer.status_code, *orders)
            found = answer.json()
            assert answer.status_code in {202, 503}, answer.text
            if answer.status_code == 202:
                assert not found["refused"], found
                return found["id"], [order.name for order in orders]
            again = {"id": found["id"]} if "id" in found else {}
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
            self._known.learn(order.name, order.name)
        sent = producer.send(names.jobs_topic("default", self.model), value, partition=partition).get(30)
        for order in orders:
            self.kept.add(
                history.Placed(ref=order.name, topic=sent.topic, partition=sent.partition, offset=sent.offset)
            )
        self._answered(202, *orders)

    # -- out ---------------------------------------------------------------------------------------------------

    def look(self, ref: str, *, wait: float = 0.0) -> history.Observed | None:
        """The job now; None where it is not known yet, or its API is away."""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs/{self._known.ids[ref]}"
        asked = time.time()
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.get(url, params={"wait": f"{wait:.2f}"} if wait else {})
            if answer.status_code == 200:
                return self._observed(ref, answer.json(), asked)
            assert answer.status_code in {404, 503}, answer.text
        return None

    def ended(self, ref: str, *, within: float = 60.0) -> history.Observed | None:
        """The job once it ended; None where it does not, or where nobody was told its id."""
        until = time.monotonic() + within
        if ref not in self._known.ids:
            return None
        while (left := until - time.monotonic()) > 0:
            found = self.look(ref, wait=min(left, 2.0))
            if found is not None and found.status in lives.TERMINAL:
                return found
            if found is None:
                time.sleep(0.05)
        return None

    def knows(self, ref: str) -> bool:
        """Whether anybody was told that job's id."""
        return ref in self._known.ids

    def cancel(self, ref: str) -> str | None:
        """Cancel it; its status then. None: its API is away, or does not know it yet."""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs/{self._known.ids[ref]}/cancel"
        asked = time.time()
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.post(url)
            if answer.status_code == 200:
                status: str = answer.json()["status"]
                self.kept.add(history.Canceled(asked=asked, at=time.time(), ref=ref, status=status))
                return status
            assert answer.status_code in {404, 503}, answer.text
        return None

    def pages(self, *, most: int | None = None) -> None:
        """Jobs of the model as a list shows them, without outputs: all, or the newest `most` pages."""
        cursor: str | None = ""
        url = f"{next(self._reading)}/v1/models/{self.model}/jobs"
        for _ in itertools.count() if most is None else range(most):
            page = self._get(url, {"limit": 200, "cursor": cursor or ""})
            cursor = None if page is None else page["next"]
            if cursor is None:
                return

    def results(self, bulk_id: str, refs: Sequence[str]) -> None:
        """Every job of a bulk set, whose lines are these jobs."""
        url = f"{next(self._reading)}/v1/models/{self.model}/bulk/{bulk_id}/results"
        asked = time.time()
        answer = self._http.get(url, params={"lines": len(refs)})
        for ref, line in zip(refs, answer.text.splitlines(), strict=True):
            job = json.loads(line)
            self._known.learn(ref, job["id"])
            self._observed(ref, job, asked)

    def record(self, partition: int, offset: int) -> None:
        """Every job of a record that came straight to Kafka."""
        self._get(f"{next(self._reading)}/v1/models/{self.model}/records/{partition}/{offset}", {})

    def _get(self, url: str, params: Mapping[str, str | int]) -> dict[str, Any] | None:
        asked = time.time()
        try:
            answer = self._http.get(url, params=params)
        except httpx.TransportError:
            return None
        if answer.status_code != 200:
            assert answer.status_code in {404, 503}, answer.text
            return None
        found: dict[str, Any] = answer.json()
        for job in found["jobs"]:
            ref = self._known.refs.get(job["id"]) or (job["metadata"] or {}).get("ref")
            if ref is not None:
                self._known.learn(ref, job["id"])
                self._observed(ref, job, asked)
        return found

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
