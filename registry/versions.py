"""Versions in the database, and the rules of which one is live."""

import hashlib

import msgspec
import sqlalchemy
from sqlalchemy.orm import Session

from registry import checks, database, errors, tables
from wire import specs

BUILDING, READY, FAILED = specs.VersionState.BUILDING, specs.VersionState.READY, specs.VersionState.FAILED


def digest(files: list[specs.File], checked: checks.Checked) -> str:
    """sha256 over the sorted files, the options and the sample: the same upload has the same digest."""
    told = {
        "files": [[file.path, file.sha256] for file in sorted(files, key=lambda file: file.path)],
        "options": checked.options,
        "sample": checked.sample,
    }
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()


def insert(
    session: Session, model: tables.Model, *, files: list[specs.File], checked: checks.Checked, digest: str
) -> tables.Version:
    """Add the model's next version, in state `building`."""
    newest = session.scalar(
        sqlalchemy.select(sqlalchemy.func.max(tables.Version.number)).where(tables.Version.model_uid == model.uid)
    )
    row = tables.Version(
        model_uid=model.uid,
        number=(newest or 0) + 1,
        state=BUILDING,
        digest=digest,
        entry=checked.entry,
        options=msgspec.json.encode(checked.options).decode(),
        sample=checked.sample,
        created_at=database.now(),
        files=[tables.File(path=file.path, sha256=file.sha256, size=file.size) for file in files],
    )
    model.versions.append(row)
    session.flush()
    return row


def get(model: tables.Model, number: int) -> tables.Version:
    """A version by its number. Raises UnknownVersion."""
    for version in model.versions:
        if version.number == number:
            return version
    raise errors.UnknownVersion(
        f"model {model.name!r} has no version {number}; `panini versions {model.name}` lists them"
    )


def next_live(model: tables.Model) -> tables.Version | None:
    """The version that answers once everything under way is built: the newest building one, else the live one."""
    building = [version for version in model.versions if version.state == BUILDING]
    if building:
        return building[-1]
    return get(model, model.live) if model.live is not None else None


def shown(model: tables.Model) -> tables.Version:
    """The version that speaks for the model: the live one, else the newest."""
    return get(model, model.live) if model.live is not None else model.versions[-1]


def verdict(version: tables.Version) -> specs.Verdict | None:
    """What is known of how it may be run."""
    return msgspec.json.decode(version.verdict, type=specs.Verdict) if version.verdict is not None else None


def judged(version: tables.Version, found: specs.Verdict) -> list[str]:
    """A worker found out how a version may be run; the lines that tell it, where it is news.

    Batches that were closed stay so, whatever another worker says: one of its inputs told more than all of theirs.
    """
    known = verdict(version)
    if known is not None and known.batching in {specs.Batching.CLOSED, found.batching}:
        return []
    version.verdict = msgspec.json.encode(found).decode()
    return [f"batches {found.batching}: {found.why}", *([found.advice] if found.advice else [])]


def passed(model: tables.Model, version: tables.Version, found: specs.Verdict | None = None) -> None:
    """A version passed its check: it goes live, unless a later one already did. Again: nothing changes.

    Raises:
        Conflict: it has failed before.
    """
    if version.state == FAILED:
        raise errors.Conflict(f"version {version.number} of {model.name!r} has failed; deploy it anew")
    if found is not None:
        judged(version, found)
    if version.state == READY:
        return
    version.state, version.built_at = READY, database.now()
    if not any(other.number > version.number and other.live_at is not None for other in model.versions):
        go_live(model, version)


def failed(model: tables.Model, version: tables.Version, *, step: str | None, error: str | None) -> None:
    """A version's build failed; whichever is live stays. Again: nothing changes.

    Raises:
        Conflict: it has passed before.
    """
    if version.state == READY:
        raise errors.Conflict(f"version {version.number} of {model.name!r} has passed its check and cannot fail now")
    if version.state == BUILDING:
        version.state, version.built_at = FAILED, database.now()
        version.failed_step, version.error = step, error


def go_live(model: tables.Model, version: tables.Version) -> None:
    """Make a version the live one. Raises VersionNotReady."""
    if version.state != READY:
        raise errors.VersionNotReady(
            f"version {version.number} of {model.name!r} is {version.state}; only a version that passed its check can "
            f"go live (`panini versions {model.name}` lists them)"
        )
    model.live, version.live_at = version.number, database.now()


def state(model: tables.Model, version: tables.Version) -> specs.VersionState:
    """Where a version stands, `live` included."""
    return specs.VersionState.LIVE if version.number == model.live else specs.VersionState(version.state)


def unreferenced(session: Session, blobs: set[str]) -> set[str]:
    """Which of these blobs no version uses."""
    return blobs - set(session.scalars(sqlalchemy.select(tables.File.sha256).distinct()))
