"""The snapshot of keys and endpoints, and the list of models: what other processes hold of the registry.

Each has an etag made of its content, so that a restart of the registry changes nothing for those who have it.
"""

import dataclasses
import hashlib

import msgspec
import sqlalchemy
from sqlalchemy.orm import Session

from registry import environs, keys, settings, tables, views
from wire import specs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """Every model at one moment."""

    etag: str
    models: list[specs.Model]

    def one(self, account: str, model: str) -> "Models":
        """The same, of one model only; empty where it does not exist."""
        found = [each for each in self.models if (each.account, each.model) == (account, model)]
        return Models(etag=etag(found), models=found)


def take(session: Session, config: settings.Settings) -> specs.Snapshot:
    """Read keys and endpoints."""
    accounts = {row.uid: row.name for row in session.scalars(sqlalchemy.select(tables.Account))}
    found = {row.sha256: views.key(row, accounts) for row in keys.active(session)}
    endpoints = [views.endpoint(row, config) for row in views.rows(session)]
    return specs.Snapshot(etag=etag((found, endpoints)), keys=found, endpoints=endpoints)


def take_models(session: Session, sealer: environs.Sealer, config: settings.Settings) -> Models:
    """Read every model."""
    found = [views.model(row, sealer, config) for row in views.rows(session)]
    return Models(etag=etag(found), models=found)


def etag(content: object) -> str:
    """A name for this content, without quotes."""
    return hashlib.blake2b(msgspec.json.encode(content, order="deterministic"), digest_size=12).hexdigest()
