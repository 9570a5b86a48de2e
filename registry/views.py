"""Rows of the database as the values that other processes know: wire.specs."""

from typing import Any

import msgspec
from sqlalchemy.orm import Session

from registry import environs, models, settings, tables, versions
from wire import specs


def version(model: tables.Model, row: tables.Version) -> specs.Version:
    """A version as its worker needs it."""
    return specs.Version(
        version=row.number,
        state=versions.state(model, row),
        digest=row.digest,
        files=[specs.File(path=file.path, sha256=file.sha256, size=file.size) for file in row.files],
        options=options(row),
        created_at=row.created_at,
        entry=row.entry,
        sample=msgspec.json.decode(row.sample) if row.sample is not None else None,
        error=row.error,
        failed_step=row.failed_step,
    )


def options(row: tables.Version) -> specs.Options:
    """A version's options."""
    return msgspec.json.decode(row.options, type=specs.Options)


def verdict(row: tables.Version) -> Any:
    """What the check found out about a version."""
    return msgspec.json.decode(row.verdict) if row.verdict is not None else None


def model(row: tables.Model, sealer: environs.Sealer, known: settings.Settings) -> specs.Model:
    """A model as its worker needs it, its variables readable. Raises WrongEncryptionKey."""
    return specs.Model(
        account=row.account.name,
        account_uid=row.account_uid,
        model=row.name,
        model_uid=row.uid,
        topic_uuid=row.topic_uuid,
        live=row.live,
        versions=[version(row, each) for each in row.versions],
        environ=sealer.open(row.environ),
        max_age=int(known.job_max_age_hours * 3600),
        keep=int(known.result_keep_hours * 3600),
    )


def endpoint(row: tables.Model, known: settings.Settings) -> specs.Endpoint:
    """A model as ingest and results need it."""
    return specs.Endpoint(
        account=row.account.name,
        account_uid=row.account_uid,
        model=row.name,
        model_uid=row.uid,
        topic_uuid=row.topic_uuid,
        live=row.live,
        input=options(versions.shown(row)).input,
        building=any(each.state == versions.BUILDING for each in row.versions),
        max_age=int(known.job_max_age_hours * 3600),
        keep=int(known.result_keep_hours * 3600),
        max_job_bytes=known.job_bytes,
    )


def key(row: tables.Key, accounts: dict[int, str]) -> specs.Key:
    """A key as other processes see it."""
    return specs.Key(id=row.id, account=accounts[row.account_uid], account_uid=row.account_uid, last_four=row.last_four)


def rows(session: Session, account: str | None = None) -> list[tables.Model]:
    """Every model that has a version, loaded with all that the views read."""
    return [row for row in models.every(session, account) if row.versions]
