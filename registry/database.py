"""The registry's database: its engine, its migrations, and the one way to run something in a transaction."""

import asyncio
import importlib.resources
import pathlib
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import alembic.command
import alembic.config
import alembic.util
import sqlalchemy
import sqlalchemy.exc
import sqlalchemy.orm

from registry import errors

P = ParamSpec("P")
T = TypeVar("T")

BUSY_MS = 10_000
"""Milliseconds that SQLite waits for another process's transaction."""


class Database:
    """Synchronous sessions, run in threads: the registry is asked seldom, and this holds for every engine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: sqlalchemy.Engine | None = None

    async def start(self) -> None:
        """Connect and bring the tables up to date. Raises DatabaseUnavailable."""
        try:
            await asyncio.to_thread(self._start)
        except (sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError, OSError) as error:
            raise errors.DatabaseUnavailable(
                f"the registry's database {self._shown()} cannot be used: {_first_line(error)}. Check "
                "PANINI_REGISTRY_DATABASE and that its folder can be written."
            ) from error

    async def run(
        self, work: Callable[Concatenate[sqlalchemy.orm.Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, …)` in one transaction: committed when it returns, rolled back when it raises.

        Raises:
            DatabaseUnavailable: the database did not answer.
            Conflict: two writers met.
        """
        return await asyncio.to_thread(self._run, lambda session: work(session, *args, **kwargs))

    async def close(self) -> None:
        """Close every connection."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.dispose)
            self._engine = None

    def _run(self, work: Callable[[sqlalchemy.orm.Session], T]) -> T:
        if self._engine is None:
            raise errors.DatabaseUnavailable("the registry is not running")
        try:
            with sqlalchemy.orm.Session(self._engine, expire_on_commit=False) as session, session.begin():
                return work(session)
        except sqlalchemy.exc.IntegrityError as error:
            raise errors.Conflict("somebody else changed the same thing at the same moment; try again") from error
        except sqlalchemy.exc.OperationalError as error:
            raise errors.DatabaseUnavailable(f"the registry's database failed: {_first_line(error)}") from error

    def _start(self) -> None:
        url = sqlalchemy.make_url(self._url)
        if url.get_backend_name() == "sqlite" and url.database:
            pathlib.Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sqlalchemy.create_engine(url)
        if url.get_backend_name() == "sqlite":
            sqlalchemy.event.listen(self._engine, "connect", _prepare_sqlite)
            sqlalchemy.event.listen(self._engine, "begin", _begin_sqlite)
        with self._engine.begin() as connection:
            migrate(connection)

    def _shown(self) -> str:
        return sqlalchemy.make_url(self._url).render_as_string(hide_password=True)


def migrate(connection: sqlalchemy.Connection, to: str = "head") -> None:
    """Bring the tables to a revision, in the connection's transaction."""
    config = alembic.config.Config()
    config.set_main_option(
        "script_location", str(importlib.resources.files("registry") / "migrations").replace("%", "%%")
    )
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, to)


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # pysqlite must not begin transactions of its own; `_begin_sqlite` does
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # so that two read-then-write transactions queue, never fail


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
