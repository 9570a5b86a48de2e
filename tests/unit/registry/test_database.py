"""The database: its migrations, and what happens when it cannot be used."""

from pathlib import Path

import alembic.autogenerate
import alembic.migration
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from registry import database, errors, settings, tables


async def test_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    # Given
    url = f"sqlite:///{tmp_path / 'x.db'}"
    made = database.Database(url)
    await made.start()

    def compare(session: Session) -> list[object]:
        context = alembic.migration.MigrationContext.configure(session.connection(), opts={"compare_type": True})
        return list(alembic.autogenerate.compare_metadata(context, tables.Base.metadata))

    # When / Then
    assert await made.run(compare) == []
    await made.close()


async def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    made = database.Database(f"sqlite:///{tmp_path / 'deep' / 'x.db'}")
    for _ in range(2):
        await made.start()
        await made.close()


async def test_sqlite_is_set_up(tmp_path: Path) -> None:
    made = database.Database(f"sqlite:///{tmp_path / 'x.db'}")
    await made.start()

    def pragmas(session: Session) -> list[object]:
        names = ("journal_mode", "foreign_keys", "busy_timeout")
        return [session.scalar(sqlalchemy.text(f"PRAGMA {name}")) for name in names]

    assert await made.run(pragmas) == ["wal", 1, database.BUSY_MS]
    await made.close()


async def test_what_raises_is_rolled_back(tmp_path: Path) -> None:
    # Given
    made = database.Database(f"sqlite:///{tmp_path / 'x.db'}")
    await made.start()

    def work(session: Session) -> None:
        session.add(tables.Account(uid=1, name="a", created_at=0))
        session.flush()
        raise LookupError("broken")

    # When
    with pytest.raises(LookupError, match="broken"):
        await made.run(work)
    # Then
    count = await made.run(lambda session: session.scalar(sqlalchemy.select(sqlalchemy.func.count(tables.Account.uid))))
    assert count == 0
    await made.close()


async def test_two_that_write_the_same(tmp_path: Path) -> None:
    made = database.Database(f"sqlite:///{tmp_path / 'x.db'}")
    await made.start()
    await made.run(lambda session: session.add(tables.Account(uid=1, name="a", created_at=0)))
    with pytest.raises(errors.Conflict, match="try again"):
        await made.run(lambda session: session.add(tables.Account(uid=2, name="a", created_at=0)))
    await made.close()


async def test_a_database_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 1000)
    made = database.Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(errors.DatabaseUnavailable, match="PANINI_REGISTRY_DATABASE"):
        await made.start()
    await made.close()
    with pytest.raises(errors.DatabaseUnavailable, match="not running"):
        await made.run(lambda _: None)


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outlive"):
        settings.Settings.load(topic_retention_hours=24)
    with pytest.raises(ValueError, match="fit into a record"):
        settings.Settings.load(topic_message_bytes=2048, job_bytes=4096)
    assert settings.Settings.load(registry_folder=tmp_path).database_url == f"sqlite:///{tmp_path}/registry.db"
    assert settings.Settings.load(registry_database="postgresql://x/y").database_url == "postgresql://x/y"
