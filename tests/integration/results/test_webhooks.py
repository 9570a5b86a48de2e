"""Webhooks from a job's end to a receiver in another process, checked with Standard Webhooks' own library."""

import asyncio
import contextlib
import json
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from panini.stack import valkey as stack_valkey
from results import deliverer, deliveries, keys, link, protocol, records, schedule, sending, settings, store
from wire import ids, jobs, specs, webhooks

HERE = pathlib.Path(__file__).parent
A = "acme"
KEY = b"signing"
TOKEN = "a" * 16
SECRETS = webhooks.Secrets(KEY)
SIGNER = ids.Signer({0: KEY}, 0)


class Receiver:
    """The receiver's process and what it noted."""

    def __init__(self, folder: pathlib.Path, *more: str) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "receiver.py"), str(self.notes), *more], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def got(self, path: str | None = None) -> list[dict[str, Any]]:
        """The requests so far."""
        found = [json.loads(line) for line in self.notes.read_text().splitlines()]
        return [one for one in found if path is None or one["path"] == path]

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def receiver(tmp_path: pathlib.Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path)
    yield made
    made.close()


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.ms = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.ms

    def pass_(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


def endpoint(model: str, **fields: Any) -> specs.Endpoint:
    given: dict[str, Any] = {
        "account": A, "account_uid": 1, "model": model, "model_uid": 7, "topic_uuid": "t", "live": 1
    }  # fmt: skip
    return specs.Endpoint(**(given | fields))


class Bench:
    """A deliverer of one model at a clock, and jobs that end."""

    def __init__(self, over: link.Link, kept: store.Store, model: str) -> None:
        self.over, self.kept, self.model = over, kept, model
        self.clock = Clock()
        self.endpoint = endpoint(model)
        self.outbox = deliveries.Outbox(over)
        self.options = settings.Push(webhook_private=True, webhook_timeout=5.0, webhook_in_flight_host=64)
        self.made = self.another()

    def another(self, *, private: bool = True, tls: Any = None, timeout: float = 5.0) -> deliverer.Deliverer:
        return deliverer.Deliverer(
            self.over,
            self.kept,
            endpoints=lambda: [self.endpoint],
            secrets=SECRETS,
            signer=SIGNER,
            sender=sending.Sender(private=private, timeout=timeout, tls=tls),
            options=self.options,
            clock_ms=self.clock,
            chance=random.Random(1),
        )

    async def end(
        self, job_id: str, url: str, statuses: frozenset[jobs.Status] | None = None, *, failed: bool = False
    ) -> None:
        """A job that is claimed and ends."""
        now = self.clock()
        hook = protocol.Hook(url=url, statuses=statuses)
        request = protocol.ClaimRequest(id=job_id, token=TOKEN, version=1, created_at=now, hook=hook)
        await self.kept.claim(A, self.model, [request], now_ms=now)
        details = records.Details(
            metadata={"order": 7},
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            error=records.Error(jobs.ErrorType.PREDICT_ERROR, "no") if failed else None,
        )
        end = protocol.End(
            id=job_id,
            token=TOKEN,
            status=jobs.Status.FAILED if failed else jobs.Status.SUCCEEDED,
            completed_at=now,
            details=details,
            output=None if failed else b'{"label": "caf\xc3\xa9"}',
            hook=hook,
        )
        assert await self.kept.finish(A, self.model, [end]) == [True]

    async def round(self, made: deliverer.Deliverer | None = None) -> None:
        """One tick, and wait for its tries."""
        made = made or self.made
        await made.tick()
        await made.settled()

    async def shown(self, job_id: str) -> deliveries.Delivery:
        found = await self.outbox.show(A, self.model, job_id)
        assert found is not None
        return found


@pytest.fixture
async def bench(over: link.Link, kept: store.Store, model: str) -> Bench:
    return Bench(over, kept, model)


def verified(request: dict[str, Any], secret: str | None = None) -> Any:
    """The payload, if the official library accepts the signature; it looks at the real clock too."""
    return Webhook(secret or SECRETS.secret(7, 0)).verify(request["body"], request["headers"])


async def test_a_job_that_ended_is_delivered_once_and_signed(bench: Bench, receiver: Receiver) -> None:
    job_id = SIGNER.new(model_uid=7, account_uid=1, now_ms=bench.clock())
    await bench.end(job_id, f"{receiver.url}/200/hook?x=1")

    await bench.round()
    await bench.round()

    [request] = receiver.got()
    payload = verified(request)
    assert payload["type"] == "job.succeeded"
    assert payload["data"]["id"] == job_id
    assert payload["data"]["output"] == {"label": "café"}
    assert payload["data"]["metadata"] == {"order": 7}
    assert payload["data"]["urls"]["self"] == f"/v1/jobs/{job_id}"
    assert payload["timestamp"] == payload["data"]["completed_at"]
    assert request["path"] == "/200/hook?x=1"
    assert request["headers"]["host"] == f"127.0.0.1:{receiver.port}"
    assert request["headers"]["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736")
    shown = await bench.shown(job_id)
    assert (shown.state, shown.next_at) == (deliveries.State.DELIVERED, None)
    assert [(number, one.status, one.error, one.reply) for number, one in shown.tries] == [(1, 200, None, "noted")]
    with pytest.raises(WebhookVerificationError):
        verified(request, SECRETS.secret(8, 0))


async def test_a_failing_receiver_is_tried_again_with_the_same_id(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/flaky")

    await bench.round()
    await bench.round()
    assert len(receiver.got()) == 1, "not before its time"
    pending = await bench.shown("one")
    assert pending.state is deliveries.State.PENDING
    assert pending.next_at is not None
    assert bench.clock() + 5000 <= pending.next_at <= bench.clock() + 5500
    bench.clock.pass_(5.5)
    await bench.round()

    first, second = receiver.got()
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["headers"]["webhook-signature"] != second["headers"]["webhook-signature"], "signed at another moment"
    assert int(second["headers"]["webhook-timestamp"]) - int(first["headers"]["webhook-timestamp"]) in {5, 6}
    assert verified(second) == verified(first)
    shown = await bench.shown("one")
    assert shown.state is deliveries.State.DELIVERED
    assert [one.status for _, one in shown.tries] == [500, 200]


async def test_ten_tries_then_it_is_given_up_and_can_be_redelivered(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/500")
    begun = bench.clock()

    for delay in (0.0, *schedule.DELAYS):
        bench.clock.pass_(delay * 0.99)
        await bench.round()
        bench.clock.pass_(delay * 0.12)
        await bench.round()
    bench.clock.pass_(7 * 86400)
    await bench.round()

    assert len(receiver.got()) == 10
    shown = await bench.shown("one")
    assert (shown.state, shown.next_at, len(shown.tries)) == (deliveries.State.FAILED, None, 10)
    assert 75 * 3600 <= (shown.tries[-1][1].at - begun) / 1000 <= 90 * 3600
    assert len({request["headers"]["webhook-id"] for request in receiver.got()}) == 1
    assert await bench.outbox.redeliver(A, bench.model, "one", now_ms=bench.clock()) is True
    await bench.round()
    assert len(receiver.got()) == 11
    assert (await bench.shown("one")).state is deliveries.State.PENDING, "a round of ten anew"
    assert await bench.outbox.redeliver(A, bench.model, "unknown", now_ms=bench.clock()) is False


async def test_retry_after_is_honoured(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/503")

    await bench.round()

    assert (await bench.shown("one")).next_at == bench.clock() + 4_000_000


async def test_a_redirect_is_a_failure_and_not_followed(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/301")

    await bench.round()

    assert [request["path"] for request in receiver.got()] == ["/301"]
    [(_, tried)] = (await bench.shown("one")).tries
    assert (tried.status, tried.error) == (301, "the receiver answered 301: redirects are not followed")


async def test_a_silent_receiver_is_given_up_in_time(bench: Bench, receiver: Receiver) -> None:
    await bench.end("slow", f"{receiver.url}/slow")
    await bench.end("gone", "http://127.0.0.1:9/")

    await bench.round(bench.another(timeout=0.3))

    [(_, slow)] = (await bench.shown("slow")).tries
    assert (slow.status, slow.error) == (None, "no whole answer within 0.3 s")
    [(_, gone)] = (await bench.shown("gone")).tries
    assert gone.error is not None
    assert "ConnectError" in gone.error


async def test_a_large_reply_is_cut(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/200/large")

    await bench.round()

    [(_, tried)] = (await bench.shown("one")).tries
    assert (tried.status, tried.reply) == (200, "x" * sending.SHOWN)


async def test_410_disables_the_receiver_until_somebody_asks_for_it(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/410")
    await bench.end("other", f"{receiver.url}/200")
    await bench.round()
    assert (await bench.shown("one")).state is deliveries.State.DISABLED

    await bench.end("two", f"{receiver.url}/410")
    await bench.round()

    assert len(receiver.got("/410")) == 1, "it is not called again"
    shown = await bench.shown("two")
    assert shown.state is deliveries.State.DISABLED
    assert "410" in (shown.tries[0][1].error or "")
    assert (await bench.shown("other")).state is deliveries.State.DELIVERED
    await bench.outbox.redeliver(A, bench.model, "two", now_ms=bench.clock())
    await bench.round()
    assert len(receiver.got("/410")) == 2


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"],
)
async def test_private_addresses_are_refused(bench: Bench, receiver: Receiver, host: str) -> None:
    await bench.end("one", f"http://{host}:{receiver.port}/200")

    await bench.round(bench.another(private=False))

    assert receiver.got() == []
    [(_, tried)] = (await bench.shown("one")).tries
    assert tried.error is not None
    assert "is not public" in tried.error or "has no address" in tried.error


async def test_only_the_asked_ends_are_delivered(bench: Bench, receiver: Receiver) -> None:
    only = frozenset({jobs.Status.FAILED})
    await bench.end("well", f"{receiver.url}/200", only)
    await bench.end("badly", f"{receiver.url}/200", only, failed=True)

    await bench.round()

    [request] = receiver.got()
    assert verified(request)["type"] == "job.failed"
    assert verified(request)["data"]["error"]["type"] == "predict_error"
    assert await bench.outbox.show(A, bench.model, "well") is None


async def test_ends_that_no_worker_made_are_delivered_too(bench: Bench, receiver: Receiver) -> None:
    now = bench.clock()
    hook = protocol.Hook(url=f"{receiver.url}/200")
    await bench.kept.cancel(A, bench.model, "canceled", created_at=now, now_ms=now, ttl_ms=60_000)
    late = protocol.ClaimRequest(id="late", token=TOKEN, version=1, created_at=now, deadline=1, hook=hook)
    canceled = protocol.ClaimRequest(id="canceled", token=TOKEN, version=1, created_at=now, hook=hook)

    for _ in range(2):  # a worker that finds its record again must not push twice
        await bench.kept.claim(A, bench.model, [canceled, late], now_ms=now)
        await bench.round()

    assert sorted(verified(request)["type"] for request in receiver.got()) == ["job.canceled", "job.expired"]


async def test_while_a_secret_rotates_both_sign(bench: Bench, receiver: Receiver) -> None:
    bench.endpoint = endpoint(bench.model, webhook_rotation=1, webhook_rotated_at=bench.clock() - 1000)
    await bench.end("one", f"{receiver.url}/200")
    await bench.round()
    bench.endpoint = endpoint(bench.model, webhook_rotation=1, webhook_rotated_at=bench.clock() - webhooks.OVERLAP_MS)
    await bench.end("two", f"{receiver.url}/200")
    await bench.round()

    during, after = receiver.got()
    assert verified(during, SECRETS.secret(7, 0)) == verified(during, SECRETS.secret(7, 1))
    verified(after, SECRETS.secret(7, 1))
    with pytest.raises(WebhookVerificationError):
        verified(after, SECRETS.secret(7, 0))


async def test_two_processes_share_the_work(bench: Bench, receiver: Receiver) -> None:
    for number in range(40):
        await bench.end(f"job-{number}", f"{receiver.url}/200")
    other = bench.another()

    await asyncio.gather(bench.made.tick(), other.tick())
    await asyncio.gather(bench.made.settled(), other.settled())

    states = [(await bench.shown(f"job-{number}")).tries for number in range(40)]
    assert [[one.error for _, one in tries] for tries in states] == [[None]] * 40
    assert len(receiver.got()) == 40, "each once"
    assert len({request["headers"]["webhook-id"] for request in receiver.got()}) == 40


async def test_results_stay_for_a_webhook_that_is_still_to_come(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/flaky")
    await bench.round()
    late = bench.clock() + 2 * protocol.DAY_MS

    assert await bench.kept.shrink(A, bench.model, now_ms=late, keep_ms=0) == protocol.Shrunk(1, 0)
    bench.clock.ms = late
    await bench.round()

    assert verified(receiver.got()[0])["data"]["output"] == {"label": "café"}
    assert (await bench.shown("one")).state is deliveries.State.DELIVERED
    assert await bench.kept.shrink(A, bench.model, now_ms=late, keep_ms=0) == protocol.Shrunk(1, 1)


async def test_a_deleted_job_is_pushed_no_more(bench: Bench, receiver: Receiver) -> None:
    await bench.end("one", f"{receiver.url}/200")
    await bench.kept.delete(A, bench.model, "one", now_ms=bench.clock())

    await bench.round()

    assert receiver.got() == []
    assert await bench.outbox.show(A, bench.model, "one") is None


async def test_a_process_killed_over_a_try_loses_nothing(
    bench: Bench, receiver: Receiver, valkey: stack_valkey.Valkey
) -> None:
    def start() -> subprocess.Popen[bytes]:
        told = msgspec.json.encode(bench.endpoint).decode()
        program = str(HERE / "deliverer_process.py")
        return subprocess.Popen([sys.executable, program, valkey.url_with_password, KEY.decode(), told])

    async def noted(path: str) -> None:
        async with asyncio.timeout(30):
            while not receiver.got(path):  # noqa: ASYNC110  another process's state has no event
                await asyncio.sleep(0.02)

    await bench.end("slow", f"{receiver.url}/slow")
    first = start()
    try:
        await noted("/slow")
        # dies between the job's end and the end of its delivery; another job ends while nobody delivers
        first.send_signal(signal.SIGKILL)
        first.wait()
        await bench.end("meanwhile", f"{receiver.url}/200")
        taken, _ = await bench.outbox.take(A, bench.model, now_ms=bench.clock(), lease_ms=0, limit=0)
        assert taken == []
    finally:
        first.kill()
        first.wait()
    second = start()
    try:
        await noted("/200")
    finally:
        second.kill()
        second.wait()

    # the lease of the first process ends; then its delivery is anybody's
    bench.clock.pass_(120)
    await bench.round(bench.another(timeout=0.3))
    assert len(receiver.got("/slow")) == 2
    assert len({request["headers"]["webhook-id"] for request in receiver.got("/slow")}) == 1
    assert [one.error for _, one in (await bench.shown("slow")).tries] == ["no whole answer within 0.3 s"]


async def test_it_delivers_as_soon_as_a_job_ends(bench: Bench, receiver: Receiver) -> None:
    task = asyncio.create_task(bench.made.run())
    try:
        for number in range(3):
            bench.clock.ms = time.time_ns() // 1_000_000
            await bench.end(f"job-{number}", f"{receiver.url}/200/{number}")
            async with asyncio.timeout(10):
                while not receiver.got(f"/200/{number}"):  # noqa: ASYNC110  another process's state has no event
                    await asyncio.sleep(0.005)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_one_slow_host_keeps_no_other_waiting(bench: Bench, receiver: Receiver) -> None:
    bench.options = settings.Push(webhook_in_flight=4, webhook_in_flight_host=2)
    made = bench.another(timeout=3.0)
    for number in range(6):
        await bench.end(f"slow-{number}", f"{receiver.url.replace('127.0.0.1', 'localhost')}/slow")
    await bench.end("quick", f"{receiver.url}/200")

    task = asyncio.create_task(made.tick())
    async with asyncio.timeout(10):
        while not receiver.got("/200") or len(receiver.got("/slow")) < 2:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.02)

    assert len(receiver.got("/slow")) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.settled()


async def test_a_record_with_a_webhook_outlives_its_tries(bench: Bench, over: link.Link) -> None:
    await bench.end("one", "http://127.0.0.1:9/")

    for key in (keys.job(A, bench.model, "one"), keys.delivery(A, bench.model, "one")):
        assert await over.call("PTTL", key) > 75 * 3600 * 1000
