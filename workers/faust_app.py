"""Faust's app, whose consumer fetches the records of a model's topics straight into our hands.

The only module that knows faust (and the aiokafka and mode below it, but for what `workers.fetching`,
`fetch_frames` and `commits` make of aiokafka). Faust keeps the group, the rebalances and the commit timer; its streams
are not used, because `stream.take()` acks a batch whose body raised, and its bookkeeping of offsets is replaced,
because `Consumer._new_offset` can skip an unacked one: `workers.offsets` keeps them instead. The consumer runs on the
worker's own loop, not in a thread: nothing blocks that loop (predict is in a child process), and a fetch then costs no
hop between threads.

Private names of faust are used here; `check_library()` proves at import that they are what this module was written for.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, Self

import aiokafka
import aiokafka.errors
import faust
import faust.app.base
import faust.transport.drivers.aiokafka as driver
import mode
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import Consumer as _FaustConsumer
from faust.types import TP

from wire import settings as wire_settings
from workers import commits, errors, fetching, source

log = logging.getLogger(__name__)

WRITTEN_FOR: Final = "0.15.3"

HEARTBEAT: Final = 0.5
"""Seconds between two: with the next one a member learns that another left, whose partitions stand still until then."""

FETCH_WAIT: Final = 0.25
"""Seconds that the broker holds a fetch of idle partitions: one sent before a rebalance holds up the one after it."""

UNREAD: Final = 0.02
"""Seconds (the library's own: 0.1) without a fetch while some of a broker's lies unread, as bulk without room does."""

HEARD_OF: Final = 5.0
"""Seconds after which partitions are seen that nobody had heard of when the group was joined."""

STOP: Final = 5.0
"""Seconds that leaving the group, or one commit, may take: the library itself tries for ever where a topic is gone."""


class _Boot(faust.app.base.BootStrategy):
    """Only the consumer, the conductor that subscribes it, and the fetcher: no agents, tables, web or producer."""

    enable_web = False
    enable_kafka_producer = False

    def sensors(self) -> Iterable[mode.ServiceT]:
        return ()

    def kafka_consumer(self) -> Iterable[mode.ServiceT]:
        return [self.app.consumer]

    def agents(self) -> Iterable[mode.ServiceT]:
        return ()

    def tables(self) -> Iterable[mode.ServiceT]:
        return [self.app._fetcher]  # type: ignore[attr-defined]  # noqa: SLF001  faust's table manager starts it


class App(faust.App):
    """A faust app whose rebalances touch nothing but our partitions."""

    BootStrategy = _Boot

    def __init__(self, into: source.Source, **settings: Any) -> None:
        self.source = into
        super().__init__(**settings)

    @classmethod
    def made(
        cls,
        into: source.Source,
        connections: wire_settings.Connections,
        *,
        group: str,
        topics: Iterable[str],
        datadir: str,
        session_timeout: float,
        rebalance_timeout: float,
    ) -> Self:
        """An app that consumes these topics once it is started."""
        app = cls(
            into,
            id=group,
            broker=[f"kafka://{server.strip()}" for server in connections.kafka.split(",")],
            datadir=datadir,
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=session_timeout,
            broker_heartbeat_interval=HEARTBEAT,
            broker_request_timeout=max(90.0, session_timeout),
            broker_rebalance_timeout=rebalance_timeout,
            broker_max_poll_interval=86400.0,  # a full queue is no sign of death: heartbeats tell that
            broker_commit_interval=1.0,
            broker_max_poll_records=into.max_records,
            consumer_max_fetch_size=8 << 20,
            web_enabled=False,
            **_credentials(connections),
        )
        for topic in topics:
            app.topics.add(app.topic(topic, value_serializer="raw", key_serializer="raw"))
        app.finalize()
        return app

    def _new_transport(self) -> driver.Transport:
        return _Transport(self.conf.broker_consumer, self)

    def _new_conductor(self) -> Any:
        return _Conductor(self)

    def on_rebalance_return(self) -> None:
        """There are no sensors to tell."""

    def on_rebalance_end(self) -> None:
        self.rebalancing = False

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Before a rebalance: stop fetching, let what runs finish, commit. Then nothing of ours is assigned."""
        consumer = self.consumer
        consumer.stop_flow()
        await self.source.handlers.revoked()
        await consumer.commit()
        self.source.revoke()
        log.debug("revoked %s", sorted(revoked))

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:  # noqa: ARG002  faust's
        """After a rebalance: the fetch positions are at the committed offsets already; begin."""
        self.source.assign((tp.topic, tp.partition) for tp in assigned)
        self.consumer.resume_flow()
        self.on_rebalance_end()
        log.info("assigned %s", ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(assigned)) or "nothing")


class _Conductor(faust.transport.conductor.Conductor):
    """Subscribes at once: there are no agents or tables to wait for."""

    @mode.Service.task
    async def _subscriber(self) -> None:
        await self.app.consumer.subscribe(topic for channel in self._topics for topic in channel.topics)


class _InLoop(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread without the thread: the same service, on the loop that already runs."""

    wait_for_shutdown = False

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, thread_loop=asyncio.get_running_loop(), **kwargs)

    async def maybe_start(self) -> bool:
        if self._started.is_set():
            return False
        await mode.Service.start(self)
        return True

    async def start(self) -> None:
        await mode.Service.start(self)

    async def stop(self) -> None:
        await mode.Service.stop(self)

    async def on_start(self) -> None:
        await super().on_start()
        aio = self._ensure_consumer()  # it has subscribed to nothing yet
        await aio._fetcher.close()  # noqa: SLF001  a consumer cannot be told which fetcher to have
        aio._fetcher = self.consumer.new_fetcher(aio, **self._fetching())  # type: ignore[attr-defined]  # noqa: SLF001

    async def on_stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def crash(self, exc: BaseException) -> None:
        await mode.Service.crash(self, exc)

    def _stopped_set(self) -> None:
        self._stopped.set()

    async def _stop_children(self) -> None:
        await self._default_stop_children()

    async def _stop_futures(self) -> None:
        await self._default_stop_futures()

    async def _stop_exit_stacks(self) -> None:
        await self._default_stop_exit_stacks()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = fun(*args, **kwargs)
        return await result if asyncio.iscoroutine(result) or asyncio.isfuture(result) else result

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.consumer.on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await self.consumer.on_partitions_assigned(assigned, generation_id)

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=int(HEARD_OF * 1000),
            **self._fetching(),
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    def _fetching(self) -> dict[str, Any]:
        return {
            "auto_offset_reset": self.app.conf.consumer_auto_offset_reset,
            "max_partition_fetch_bytes": self.app.conf.consumer_max_fetch_size,
            "fetch_max_wait_ms": int(FETCH_WAIT * 1000),
            "isolation_level": "read_committed",  # a pipeline's aborted transaction is no job
        }


class _Consumer(driver.Consumer):
    """Fetched records go to our source; what is committed is what its books say."""

    @property
    def _source(self) -> source.Source:
        found: source.Source = self.app.source  # type: ignore[attr-defined]  # our _App
        return found

    def _new_consumer_thread(self) -> _InLoop:
        return _InLoop(self, loop=self.loop, beacon=self.beacon)

    def new_fetcher(self, aio: aiokafka.AIOKafkaConsumer, **settings: Any) -> fetching.Fetcher:
        """Hands records over as they come; what there is no room for then lies unread until it is drained."""
        kept = self._source

        def take() -> bool:
            """Nothing may run between the library's moving its position and our noting the records."""
            if not self.flow_active or aio._subscription.reassignment_in_progress:  # noqa: SLF001
                return False
            found = made.read(kept.room, kept.max_records)
            kept.deliver(fetching.with_turn(kept, aio, found))
            return bool(found)

        made = fetching.Fetcher(
            aio._client,  # noqa: SLF001  as the library's own
            aio._subscription,  # noqa: SLF001
            make=lambda tp, record: fetching.ours(tp, record, kept.generation),
            take=take,
            prefetch_backoff=UNREAD,
            **settings,
        )
        self._take = take
        return made

    async def _drain_messages(self, fetcher: mode.ServiceT) -> None:
        kept = self._source
        aio = self._thread._ensure_consumer()  # noqa: SLF001  faust's own name for the library's consumer
        while not (self.should_stop or fetcher.should_stop):
            if not (self.flow_active and kept.partitions):
                self.can_resume_flow.clear()
                await self.can_resume_flow.wait()
                continue
            try:
                await self._fetch(kept, aio)
            except aiokafka.errors.ConsumerStoppedError:
                return
            except asyncio.CancelledError:
                self.app.rebalancing = False  # else faust crashes a fetcher that is stopped in a rebalance
                raise

    async def _fetch(self, kept: source.Source, aio: aiokafka.AIOKafkaConsumer) -> None:
        """Deliver records of the partitions that have room; not for long where another could get some meanwhile."""
        if self._take():
            aio._fetcher.ask()  # noqa: SLF001
            await asyncio.sleep(0)  # batches have the loop between two helpings
            return
        active = self._get_active_partitions() or set()
        wanted = {tp for tp in active if kept.handlers.room(tp.topic)}
        if len(wanted) == len(active):
            await self._fetch_from(kept, aio, active)
            return
        racing: set[asyncio.Future[None]] = {kept.handlers.opened()}
        if wanted:
            racing.add(asyncio.ensure_future(self._fetch_from(kept, aio, wanted)))
        try:
            done, _ = await asyncio.wait(racing, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in racing:
                one.cancel()
        for one in done:
            one.result()

    async def _fetch_from(self, kept: source.Source, aio: aiokafka.AIOKafkaConsumer, partitions: set[TP]) -> None:
        """Wait for a record that the library has for us. Nothing may run between its moving its position and our noting
        the record: no await there."""
        generation = kept.generation
        fetched = await self._thread._fetch_records(aio, partitions, timeout=1.0, max_records=1)  # noqa: SLF001
        if generation == kept.generation and self.flow_active:
            kept.deliver(
                {
                    tp: [one if type(one) is source.Record else fetching.ours(tp, one, generation) for one in batch]
                    for tp, batch in fetching.with_turn(kept, aio, fetched).items()
                }
            )
        else:
            fetching.give_back(aio, fetched)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002  faust's
        kept, aio = self._source, self._thread._ensure_consumer()  # noqa: SLF001
        commits.note_positions(kept, aio)
        due = kept.due()
        committed = bool(due) and await commits.write(aio, due, timeout=STOP)
        if committed:
            kept.committed(due)
        return committed

    async def verify_all_partitions_active(self) -> None:
        """Faust's alarm, for a consumer that stands still, looks at streams, which have none of our records, and at a
        mark that the library's fetches set and ours do not: after five minutes it would never be silent again."""

    async def wait_empty(self) -> None:
        await self.force_commit()


class _Transport(driver.Transport):
    Consumer = _Consumer


def _credentials(connections: wire_settings.Connections) -> dict[str, Any]:
    context = ssl.create_default_context() if connections.kafka_tls else None
    if connections.kafka_username is not None:
        password = connections.kafka_password.get_secret_value() if connections.kafka_password else ""
        return {
            "broker_credentials": faust.SASLCredentials(
                username=connections.kafka_username,
                password=password,
                mechanism=connections.kafka_mechanism,
                ssl_context=context,
            )
        }
    return {} if context is None else {"broker_credentials": context}


def check_library() -> None:
    """Prove that the private names this module overrides exist as it knows them. Raises LibraryChanged."""
    if faust.__version__ != WRITTEN_FOR:
        raise errors.LibraryChanged(f"faust-streaming is {faust.__version__}, written for {WRITTEN_FOR}")
    for owner, needed in (
        (_FaustConsumer, ("_drain_messages", "force_commit", "wait_empty", "verify_all_partitions_active")),
        (_FaustConsumer, ("stop_flow", "resume_flow", "commit")),
        (
            driver.AIOKafkaConsumerThread,
            ("_create_worker_consumer", "_fetch_records", "call_thread", "_ensure_consumer"),
        ),
        (faust.App, ("_new_transport", "_new_conductor", "_on_partitions_revoked", "_on_partitions_assigned")),
        (mode.Service, ("_default_stop_children", "_default_stop_futures", "_default_stop_exit_stacks")),
    ):
        missing = [name for name in needed if not hasattr(owner, name)]
        if missing:
            raise errors.LibraryChanged(f"{owner.__name__} has no {', '.join(missing)}")


check_library()
