"""A worker as a member of its model's consumer group, whose records go into its source."""

import asyncio
import logging

from wire import settings as wire_settings
from workers import faust_app, source

log = logging.getLogger(__name__)


class Member:
    """In the group from `start()` to `stop()`."""

    def __init__(
        self,
        into: source.Source,
        *,
        connections: wire_settings.Connections,
        group: str,
        topics: list[str],
        datadir: str,
        session_timeout: float = 10.0,
        rebalance_timeout: float = 90.0,
    ) -> None:
        """Records of `topics` go `into` the worker's source."""
        self._source = into
        self._connections = connections
        self._group = group
        self.topics = topics
        """What is consumed: changed before start(), or by subscribe()."""
        self._datadir = datadir
        self._session_timeout = session_timeout
        self._rebalance_timeout = rebalance_timeout
        self._app: faust_app.App | None = None

    async def start(self) -> None:
        """Join the group; records arrive from now on."""
        self._app = faust_app.App.made(
            self._source,
            self._connections,
            group=self._group,
            topics=self.topics,
            datadir=self._datadir,
            session_timeout=self._session_timeout,
            rebalance_timeout=self._rebalance_timeout,
        )
        await self._app.start()

    async def stop(self) -> None:
        """Commit what is finished and leave the group; without that where Kafka, or the topic, is no more."""
        if self._app is not None:
            try:
                async with asyncio.timeout(faust_app.STOP):
                    await self._app.stop()
            except TimeoutError:
                log.warning("the group was not left in %g s: Kafka notices by itself", faust_app.STOP)

    async def subscribe(self, topics: list[str]) -> None:
        """Consume these topics from now on: a rebalance of the group.

        The library drops the present assignment at once, and with it the right to commit: so what runs is ended first.
        """
        self.topics = topics
        if self._app is not None:
            consumer = self._app.consumer
            consumer.stop_flow()
            await self._source.handlers.revoked()
            await consumer.commit()
            await consumer.subscribe(topics)

    async def commit(self) -> None:
        """Commit now what may be committed, without waiting for the timer."""
        if self._app is not None:
            await self._app.consumer.commit()

    @property
    def failed(self) -> BaseException | None:
        """Why the consumer crashed, if it did: the worker then ends and its supervisor starts another."""
        return self._app.crash_reason if self._app is not None and self._app.crashed else None
