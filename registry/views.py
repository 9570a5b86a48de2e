"""Rows of the database as the values that other processes know: wire.specs."""

import logging

import msgspec
from sqlalchemy.orm import Session

from registry import environs, errors, models, pushing, settings, tables, versions
from wire import specs

log = logging.getLogger(__name__)


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
        verdict=verdict(row),
    )


def options(row: tables.Version) -> specs.Options:
    """A version's options."""
    return msgspec.json.decode(row.options, type=specs.Options)


def verdict(row: tables.Version) -> specs.Verdict | None:
    """What the check found out about a version."""
    return versions.verdict(row)


def model(row: tables.Model, sealer: environs.Sealer, config: settings.Settings) -> specs.Model:
    """A model as its worker needs it, its variables readable."""
    return specs.Model(
        account=row.account.name,
        account_uid=row.account_uid,
        model=row.name,
        model_uid=row.uid,
        topic_uuid=row.topic_uuid,
        live=row.live,
        versions=[version(row, each) for each in row.versions],
        environ=_environ(row, sealer),
        max_age=int(config.job_max_age_hours * 3600),
        keep=int(config.result_keep_hours * 3600),
        cache=config.cache_seconds,
        webhook=row.webhook,
        reply_topics=pushing.reply_topics(row),
    )


def _environ(row: tables.Model, sealer: environs.Sealer) -> dict[str, str]:
    try:
        return sealer.open(row.environ)
    except (errors.NoEncryptionKey, errors.WrongEncryptionKey) as error:
        log.error("model %s of %s goes without its variables: %s", row.name, row.account.name, error)
        return {}  # its neighbours must not suffer


def endpoint(row: tables.Model, config: settings.Settings) -> specs.Endpoint:
    """A model as ingest and results need it."""
    shown = versions.shown(row)
    return specs.Endpoint(
        account=row.account.name,
        account_uid=row.account_uid,
        model=row.name,
        model_uid=row.uid,
        topic_uuid=row.topic_uuid,
        live=row.live,
        input=options(shown).input,
        building=any(each.state == versions.BUILDING for each in row.versions),
        max_age=int(config.job_max_age_hours * 3600),
        keep=int(config.result_keep_hours * 3600),
        cache=specs.cached(options(shown), verdict(shown), config.cache_seconds),
        max_job_bytes=config.job_bytes,
        webhook=row.webhook,
        webhook_rotation=row.webhook_rotation,
        webhook_rotated_at=row.webhook_rotated_at,
        reply_topics=pushing.reply_topics(row),
    )


def key(row: tables.Key, accounts: dict[int, str]) -> specs.Key:
    """A key as other processes see it."""
    return specs.Key(id=row.id, account=accounts[row.account_uid], account_uid=row.account_uid, last_four=row.last_four)


def rows(session: Session, account: str | None = None) -> list[tables.Model]:
    """Every model that has a version, loaded with all that the views read."""
    return [row for row in models.every(session, account) if row.versions]
