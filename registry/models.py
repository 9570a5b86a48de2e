"""Models and accounts in the database."""

import secrets

import sqlalchemy
from sqlalchemy.orm import Session

from registry import database, errors, tables
from wire import names

MODEL_UID_BITS = 32
"""A job id has four bytes for it."""
ACCOUNT_UID_BITS = 53


def require_name(model: str) -> None:
    """Raises BadName."""
    if not names.is_model(model):
        raise errors.BadName(
            f"{model!r} cannot be a model's name; use 1 to 40 of a-z, 0-9 and -, with neither first nor last a -"
        )


def ensure_account(session: Session, name: str) -> tables.Account:
    """The account of that name, made if it is new."""
    found = session.scalar(sqlalchemy.select(tables.Account).where(tables.Account.name == name))
    if found is None:
        uid = 1 + secrets.randbelow((1 << ACCOUNT_UID_BITS) - 1)
        found = tables.Account(uid=uid, name=name, created_at=database.now())
        session.add(found)
        session.flush()
    return found


def account(session: Session, name: str) -> tables.Account:
    """The account of that name. Raises NotFound."""
    found = session.scalar(sqlalchemy.select(tables.Account).where(tables.Account.name == name))
    if found is None:
        raise errors.NotFound(f"there is no account {name!r}")
    return found


def find(session: Session, *, account: str, model: str) -> tables.Model | None:
    """The model, if it exists."""
    return session.scalar(
        sqlalchemy.select(tables.Model)
        .join(tables.Account)
        .where(tables.Account.name == account, tables.Model.name == model)
    )


def get(session: Session, *, account: str, model: str) -> tables.Model:
    """The model. Raises UnknownModel."""
    found = find(session, account=account, model=model)
    if found is None:
        raise errors.UnknownModel(f"there is no model {model!r}; `panini models` lists yours")
    return found


def every(session: Session, account: str | None = None) -> list[tables.Model]:
    """All models with their versions, by account and name; of one account, or of all."""
    query = (
        sqlalchemy.select(tables.Model)
        .join(tables.Account)
        .options(sqlalchemy.orm.selectinload(tables.Model.versions))
        .order_by(tables.Account.name, tables.Model.name)
    )
    if account is not None:
        query = query.where(tables.Account.name == account)
    return list(session.scalars(query))


def create(session: Session, *, account: str, model: str, topic_uuid: str) -> tables.Model:
    """Make a model whose topic exists."""
    owner = ensure_account(session, account)
    taken = set(session.scalars(sqlalchemy.select(tables.Model.uid)))
    uid = next(uid for uid in iter(lambda: secrets.randbits(MODEL_UID_BITS), -1) if uid and uid not in taken)
    row = tables.Model(uid=uid, account=owner, name=model, topic_uuid=topic_uuid, created_at=database.now())
    session.add(row)
    session.flush()
    return row
