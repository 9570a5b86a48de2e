"""The source: records of a model's topics, fetched by faust's consumer straight into our hands.

The only module that knows faust (and the aiokafka and mode below it, but for what `workers.fetching` makes of
aiokafka's fetcher). Faust keeps the group, the rebalances and the commit timer; its streams are not used, because
`stream.take()` acks a batch whose body raised, and its bookkeeping of offsets is replaced, because
`Consumer._new_offset` can skip an unacked one: `workers.offsets` keeps them instead. The consumer runs on the worker's
own loop, not in a thread: nothing blocks that loop (predict is in a child process), and a fetch then costs no hop
between threads.

Private names of faust are used here; `check_library()` proves at import that they are what this module was written for.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
import aiokafka.errors
import aiokafka.structs
import faust
import faust.app.base
import faust.transport.drivers.aiokafka as driver
import mode
import msgspec
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import Consumer as _FaustConsumer
from faust.types import TP

from wire import names
from wire import settings as wire_settings
from workers import errors, fetching, offsets

log = logging.getLogger(__name__)

WRITTEN_FOR: Final = "0.15.3"

HEARTBEAT: Final = 0.5
"""Seconds between two: with the next one a member learns that another left, whose partitions stand still until then."""

FETCH_WAIT: Final = 0.25
"""Seconds that the broker holds a fetch of idle partitions: one sent before a rebalance holds up the one after it."""

UNREAD: Final = 0.02
"""Seconds (the library's own: 0.1) without a fetch while some of a broker's lies unread, as bulk without room does."""

STOP: Final = 5.0
"""Seconds that leaving the group, or one commit, may take: the library itself tries for ever where a topic is gone."""

Partition = tuple[str, int]
"""Topic and partition number."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fetched record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Unix milliseconds, set by the broker."""
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    generation: int
    """Which assignment it was fetched under; a later one makes it void."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handlers:
    """What the source tells its worker."""

    records: Callable[[list[Record]], None]
    """Records arrived."""
    free: Callable[[], int]
    """How many records there is room for now, at most; 0: none. Backpressure."""
    open: Callable[[str], bool]
    """Whether there is room for records of that topic."""
    opened: Callable[[], "asyncio.Future[None]"]
    """Done when there is room for records of a topic that has none now."""
    ready: Callable[[Any], int]
    """Unix milliseconds before which the library's record of a `.later` topic has not its turn; those behind it in its
    partition wait too."""
    revoked: Callable[[], Awaitable[None]]
    """Partitions are about to be taken away: forget what has not started, return when what has is finished."""


class Source:
    """A member of the model's consumer group, from `start()` to `stop()`."""

    def __init__(
        self,
        *,
        connections: wire_settings.Connections,
        group: str,
        topics: list[str],
        handlers: Handlers,
        datadir: str,
        max_records: int = 500,
        session_timeout: float = 10.0,
        rebalance_timeout: float = 90.0,
    ) -> None:
        self._connections = connections
        self._group = group
        self.topics = topics
        """What is consumed: changed before start(), or by subscribe()."""
        self.handlers = handlers
        self._datadir = datadir
        self.max_records = max_records
        self._session_timeout = session_timeout
        self._rebalance_timeout = rebalance_timeout
        self.partitions: dict[TP, offsets.Partition] = {}
        self.generation = 0
        self.sleeping: dict[TP, asyncio.TimerHandle] = {}
        """Partitions whose first record has not its turn yet."""
        self._app: _App | None = None

    async def start(self) -> None:
        """Join the group; records arrive through the handlers from now on."""
        self._app = _App(self, **self._faust_settings())
        for topic in self.topics:
            self._app.topics.add(self._app.topic(topic, value_serializer="raw", key_serializer="raw"))
        self._app.finalize()
        await self._app.start()

    async def stop(self) -> None:
        """Commit what is finished and leave the group; without that where Kafka, or the topic, is no more."""
        if self._app is not None:
            try:
                async with asyncio.timeout(STOP):
                    await self._app.stop()
            except TimeoutError:
                log.warning("the group was not left in %g s: Kafka notices by itself", STOP)

    def finished(self, record: Record) -> None:
        """All jobs of `record` are finished or durably parked; its offset may be committed."""
        if record.generation == self.generation:
            self.partitions[record.topic, record.partition].finished(record.offset)  # type: ignore[index]  # as a TP

    def removed(self) -> None:
        """The topics are no more: nothing of them is to be committed."""
        self.generation += 1
        self.partitions.clear()

    async def subscribe(self, topics: list[str]) -> None:
        """Consume these topics from now on: a rebalance of the group.

        The library drops the present assignment at once, and with it the right to commit: so what runs is ended first.
        """
        self.topics = topics
        if self._app is not None:
            consumer = self._app.consumer
            consumer.stop_flow()
            await self.handlers.revoked()
            await consumer.commit()
            await consumer.subscribe(topics)

    async def commit(self) -> None:
        """Commit now what may be committed, without waiting for the timer."""
        if self._app is not None:
            await self._app.consumer.commit()

    def wake(self) -> None:
        """Forget which partitions sleep: a rebalance resumes them all."""
        for timer in self.sleeping.values():
            timer.cancel()
        self.sleeping.clear()

    @property
    def assigned(self) -> list[Partition]:
        """The partitions this worker holds now."""
        return [(tp.topic, tp.partition) for tp in self.partitions]

    @property
    def failed(self) -> BaseException | None:
        """Why the consumer crashed, if it did: the worker then ends and its supervisor starts another."""
        return self._app.crash_reason if self._app is not None and self._app.crashed else None

    def _faust_settings(self) -> dict[str, Any]:
        connections = self._connections
        credentials: dict[str, Any] = {}
        context = ssl.create_default_context() if connections.kafka_tls else None
        if connections.kafka_username is not None:
            password = connections.kafka_password.get_secret_value() if connections.kafka_password else ""
            credentials["broker_credentials"] = faust.SASLCredentials(
                username=connections.kafka_username,
                password=password,
                mechanism=connections.kafka_mechanism,
                ssl_context=context,
            )
        elif context is not None:
            credentials["broker_credentials"] = context
        return credentials | {
            "id": self._group,
            "broker": [f"kafka://{server.strip()}" for server in connections.kafka.split(",")],
            "datadir": self._datadir,
            "store": "memory://",
            "topic_allow_declare": False,
            "topic_disable_leader": True,
            "consumer_auto_offset_reset": "earliest",
            "broker_session_timeout": self._session_timeout,
            "broker_heartbeat_interval": HEARTBEAT,
            "broker_request_timeout": max(90.0, self._session_timeout),
            "broker_rebalance_timeout": self._rebalance_timeout,
            "broker_max_poll_interval": 86400.0,  # a full queue is no sign of death: heartbeats tell that
            "broker_commit_interval": 1.0,
            "broker_max_poll_records": self.max_records,
            "consumer_max_fetch_size": 8 << 20,
            "web_enabled": False,
        }


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


class _App(faust.App):
    """A faust app whose rebalances touch nothing but our partitions."""

    BootStrategy = _Boot

    def __init__(self, source: Source, **settings: Any) -> None:
        self.source = source
        super().__init__(**settings)

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
        self.source.generation += 1
        self.source.partitions.clear()
        self.source.wake()
        log.debug("revoked %s", sorted(revoked))

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:  # noqa: ARG002  faust's
        """After a rebalance: the fetch positions are at the committed offsets already; begin."""
        self.source.generation += 1
        self.source.partitions = {TP(tp.topic, tp.partition): offsets.Partition() for tp in assigned}
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
            metadata_max_age_ms=30_000,
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
    """Fetched records go to our handlers; what is committed is what our bookkeeping says."""

    def _new_consumer_thread(self) -> _InLoop:
        return _InLoop(self, loop=self.loop, beacon=self.beacon)

    def new_fetcher(self, aio: aiokafka.AIOKafkaConsumer, **settings: Any) -> fetching.Fetcher:
        """Hands records over as they come; what there is no room for then lies unread until it is drained."""
        source: Source = self.app.source  # type: ignore[attr-defined]  # our _App

        def take() -> None:
            """Nothing may run between the library's moving its position and our noting the records."""
            most = min(source.handlers.free(), source.max_records)
            if most > 0 and self.flow_active and not aio._subscription.reassignment_in_progress:  # noqa: SLF001
                found = made.read(lambda tp: tp in source.partitions and source.handlers.open(tp.topic), most)
                _deliver(source, _with_turn(source, aio, found))

        made = fetching.Fetcher(
            aio._client,  # noqa: SLF001  as the library's own
            aio._subscription,  # noqa: SLF001
            make=lambda tp, record: _record(tp, record, source.generation),
            take=take,
            prefetch_backoff=UNREAD,
            **settings,
        )
        return made

    async def _drain_messages(self, fetcher: mode.ServiceT) -> None:
        source: Source = self.app.source  # type: ignore[attr-defined]  # our _App
        aio = self._thread._ensure_consumer()  # noqa: SLF001  faust's own name for the library's consumer
        while not (self.should_stop or fetcher.should_stop):
            while not (free := source.handlers.free()):
                await source.handlers.opened()
            if not (self.flow_active and source.partitions):
                self.can_resume_flow.clear()
                await self.can_resume_flow.wait()
                continue
            try:
                await self._fetch(source, aio, min(free, source.max_records))
            except aiokafka.errors.ConsumerStoppedError:
                return
            except asyncio.CancelledError:
                self.app.rebalancing = False  # else faust crashes a fetcher that is stopped in a rebalance
                raise

    async def _fetch(self, source: Source, aio: aiokafka.AIOKafkaConsumer, most: int) -> None:
        """Deliver records of the partitions that have room; not for long where another could get some meanwhile."""
        active = self._get_active_partitions() or set()
        wanted = {tp for tp in active if source.handlers.open(tp.topic)}
        if len(wanted) == len(active):
            await self._fetch_from(source, aio, active, most)
            return
        racing: set[asyncio.Future[None]] = {source.handlers.opened()}
        if wanted:
            racing.add(asyncio.ensure_future(self._fetch_from(source, aio, wanted, most)))
        try:
            done, _ = await asyncio.wait(racing, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in racing:
                one.cancel()
        for one in done:
            one.result()

    async def _fetch_from(self, source: Source, aio: aiokafka.AIOKafkaConsumer, partitions: set[TP], most: int) -> None:
        """Nothing may run between the library's moving its position and our noting the records: no await there."""
        generation = source.generation
        fetched = await self._thread._fetch_records(aio, partitions, timeout=1.0, max_records=most)  # noqa: SLF001
        if generation == source.generation and self.flow_active:
            _deliver(source, _with_turn(source, aio, fetched))
        else:
            fetching.give_back(aio, fetched)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002  faust's
        source: Source = self.app.source  # type: ignore[attr-defined]  # our _App
        self._note_positions(source)
        due = {tp: offset for tp, kept in source.partitions.items() if (offset := kept.committable()) is not None}
        if not due:
            return False
        committed = await self._commit_to_broker(due)
        if committed:
            for tp, offset in due.items():
                if tp in source.partitions:
                    source.partitions[tp].committed = offset
        return committed

    async def wait_empty(self) -> None:
        await self.force_commit()

    async def _commit_to_broker(self, due: Mapping[TP, int]) -> bool:
        aio = self._thread._ensure_consumer()  # noqa: SLF001
        assigned = aio.assignment()
        wanted = {
            aiokafka.structs.TopicPartition(tp.topic, tp.partition): offset
            for tp, offset in due.items()
            if aiokafka.structs.TopicPartition(tp.topic, tp.partition) in assigned
        }
        if not wanted:
            return False
        try:
            async with asyncio.timeout(STOP):
                await aio.commit(wanted)
        except (aiokafka.errors.KafkaError, aiokafka.errors.IllegalStateError, TimeoutError) as error:
            log.warning("offsets not committed, trying again: %r", error)
            return False
        return True

    def _note_positions(self, source: Source) -> None:
        """Let a partition whose records are all finished move on over transaction markers."""
        aio = self._thread._ensure_consumer()  # noqa: SLF001
        assignment = aio._subscription.subscription and aio._subscription.subscription.assignment  # noqa: SLF001
        if assignment is None:
            return
        for tp, kept in source.partitions.items():
            key = aiokafka.structs.TopicPartition(tp.topic, tp.partition)
            if key not in assignment.tps or kept.unfinished:
                continue
            state = assignment.state_value(key)
            if state is not None and state.has_valid_position and state.position > (kept.position or 0):
                kept.position = state.position


class _Transport(driver.Transport):
    Consumer = _Consumer


def _deliver(source: Source, fetched: Mapping[Any, list[Any]]) -> None:
    records: list[Record] = []
    for tp, batch in fetched.items():
        if batch and (kept := source.partitions.get(tp)) is not None:
            kept.fetched(*[record.offset for record in batch])
            records += batch if type(batch[0]) is Record else [_record(tp, one, source.generation) for one in batch]
    if records:
        source.handlers.records(records)


def _record(tp: Any, record: Any, generation: int) -> Record:
    """Ours of the library's."""
    return Record(
        topic=tp.topic,
        partition=tp.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        value=record.value,
        headers=tuple(record.headers),
        generation=generation,
    )


def _with_turn(
    source: Source, aio: aiokafka.AIOKafkaConsumer, fetched: Mapping[Any, list[Any]]
) -> dict[Any, list[Any]]:
    """The records whose turn it is; a partition whose next one is for later sleeps, and holds none of it in memory."""
    now = time.time_ns() // 1_000_000
    kept: dict[Any, list[Any]] = {}
    for tp, batch in fetched.items():
        kept[tp] = batch
        for place, record in enumerate(batch if names.is_later(tp.topic) else ()):
            ready = source.handlers.ready(record)
            if ready > now:
                kept[tp] = batch[:place]
                fetching.sleep(source.sleeping, aio, tp, record.offset, (ready - now) / 1000)
                break
    return kept


def check_library() -> None:
    """Prove that the private names this module overrides exist as it knows them. Raises LibraryChanged."""
    if faust.__version__ != WRITTEN_FOR:
        raise errors.LibraryChanged(f"faust-streaming is {faust.__version__}, written for {WRITTEN_FOR}")
    for owner, needed in (
        (_FaustConsumer, ("_drain_messages", "force_commit", "wait_empty", "stop_flow", "resume_flow", "commit")),
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
