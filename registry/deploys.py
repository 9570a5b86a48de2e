"""A deploy's way into the database, as steps of one transaction each, and models as people are shown them."""

import dataclasses
import pathlib

from sqlalchemy.orm import Session

from registry import checks, errors, models, removals, tables, versions
from wire import specs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A checked upload."""

    account: str
    model: str
    files: list[specs.File]
    checked: checks.Checked
    digest: str
    places: dict[str, pathlib.Path]
    """Where each blob lies until the store has it, by sha256."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """The version that an upload became, or was already."""

    model: tables.Model
    version: tables.Version
    unchanged: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the database says before an upload is stored."""

    exists: bool
    leaving: bool = False
    """A model of that name was removed and is not yet gone."""
    unchanged: Deployed | None = None


def look(session: Session, upload: Upload) -> Known:
    """Whether the model exists, and whether the upload is what will be live anyhow."""
    model = models.find(session, account=upload.account, model=upload.model)
    if model is None:
        return Known(
            exists=False, leaving=removals.find(session, account=upload.account, model=upload.model) is not None
        )
    current = versions.next_live(model)
    if current is not None and current.digest == upload.digest:
        return Known(exists=True, unchanged=Deployed(model=show(model), version=current, unchanged=True))
    return Known(exists=True)


def insert(session: Session, upload: Upload, topic_uuid: str | None) -> Deployed:
    """Add the version, and the model if it is new: then `topic_uuid` is its topic's. Raises Conflict without one."""
    model = models.find(session, account=upload.account, model=upload.model)
    if model is None:
        if topic_uuid is None:
            raise errors.Conflict(f"model {upload.model!r} was removed at the same moment; deploy again")
        model = models.create(session, account=upload.account, model=upload.model, topic_uuid=topic_uuid)
    version = versions.insert(session, model, files=upload.files, checked=upload.checked, digest=upload.digest)
    return Deployed(model=show(model), version=version, unchanged=False)


def show(model: tables.Model) -> tables.Model:
    """Load everything that is shown of a model, so that it can leave its session."""
    for version in model.versions:
        _ = version.files
    _ = model.account
    return model


def first_lines(upload: Upload, number: int) -> str:
    """How a version's log begins."""
    size = sum(file.size for file in upload.files)
    weights = upload.checked.options.weights
    what = f"weights {weights}" if weights else "no weights file"
    return (
        f"version {number} of {upload.model}: {len(upload.files)} files, {size:,} bytes\n"
        f"entry {upload.checked.entry}, {what}, input {upload.checked.options.input}"
    )
