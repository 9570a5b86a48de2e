"""Models that were removed and are not yet gone: their names stay taken until nothing of them is left."""

import sqlalchemy
from sqlalchemy.orm import Session

from registry import database, tables


def begin(session: Session, model: tables.Model) -> None:
    """Take a model out of the registry; what it leaves behind is still to be cleared away."""
    session.add(
        tables.Removal(model_uid=model.uid, account=model.account.name, name=model.name, removed_at=database.now())
    )
    session.delete(model)


def find(session: Session, *, account: str, model: str) -> tables.Removal | None:
    """The removed model that still has this name."""
    query = sqlalchemy.select(tables.Removal)
    return session.scalar(query.where(tables.Removal.account == account, tables.Removal.name == model))


def every(session: Session) -> list[tables.Removal]:
    """All of them, the oldest first."""
    return list(session.scalars(sqlalchemy.select(tables.Removal).order_by(tables.Removal.removed_at)))


def end(session: Session, model_uid: int) -> None:
    """Nothing of it is left: its name is free."""
    session.execute(sqlalchemy.delete(tables.Removal).where(tables.Removal.model_uid == model_uid))
