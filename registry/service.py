"""The registry's use cases, without HTTP: what the routes call, and what a laptop's processes call directly."""

import asyncio
import contextlib
import pathlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy.orm import Session

from registry import (
    bundles,
    changes,
    checks,
    database,
    deploys,
    environs,
    errors,
    keys,
    logs,
    models,
    removals,
    settings,
    snapshots,
    staging,
    tables,
    topics,
    versions,
    views,
)
from wire import names, specs

T = TypeVar("T")

NAME_WAIT = 20.0
"""Seconds that a deploy waits for the name of a model that was removed a moment ago."""

Rule = Callable[[tables.Model], None]
"""Changes a model's row, or raises."""


class Registry:
    """Accounts, keys, models and versions. Start it before anything else; it belongs to one event loop."""

    def __init__(self, config: settings.Settings, topics: topics.Topics) -> None:
        folder = config.registry_folder.absolute()
        self.settings = config
        self.changes = changes.Changes()
        """Bumped with every change of a key, a model or a version."""
        self.store = bundles.Store(folder)
        self.logs = logs.Logs(folder / "logs", config.version_log_bytes)
        self._topics = topics
        self._database = database.Database(config.database_url)
        self._sealer = environs.Sealer(config.encryption_key.get_secret_value())
        self._storing = asyncio.Lock()  # a blob is adopted and referred to, or found unused and removed: never at once
        self._reading = asyncio.Lock()  # one change wakes every worker, and is read once
        self._snapshot: tuple[int, specs.Snapshot] | None = None
        self._models: tuple[int, snapshots.Models] | None = None
        self._purged = 0

    async def start(self) -> None:
        """Open the database, bring it up to date, and clear away what a crash left.

        Raises:
            DatabaseUnavailable, StorageFailed: with the next step.
        """
        await asyncio.to_thread(self.store.start)
        await self._database.start()
        async with self._storing:
            await self._sweep(await asyncio.to_thread(self.store.every))

    def release(self) -> None:
        """End every long poll and every followed log: call it when the process is asked to stop."""
        self.changes.release()
        self.logs.release()

    async def close(self) -> None:
        """End every wait and close the database."""
        self.release()
        await self._database.close()

    async def bootstrap(self) -> str | None:
        """Make the account `default`, and its first key: returned this once, for the caller to put into a file."""

        def work(session: Session) -> str | None:
            account = models.ensure_account(session, names.DEFAULT_ACCOUNT)
            if session.scalar(sqlalchemy.select(tables.Key.id).where(tables.Key.account_uid == account.uid).limit(1)):
                return None
            return keys.create(session, account=account, name="first").key

        made = await self._database.run(work)
        self.changes.bump()
        return made

    async def create_key(self, account: str, name: str) -> keys.Created:
        """Make another key. Raises NotFound for an unknown account."""
        return await self._change(
            lambda session: keys.create(session, account=models.account(session, account), name=name)
        )

    async def list_keys(self, account: str) -> list[tables.Key]:
        """The keys of an account that are not revoked."""
        return await self._database.run(lambda session: keys.active(session, models.account(session, account).uid))

    async def revoke_key(self, account: str, key_id: str) -> None:
        """End a key. Raises UnknownKey, LastKey."""
        await self._change(
            lambda session: keys.revoke(session, account_uid=models.account(session, account).uid, key_id=key_id)
        )

    @contextlib.asynccontextmanager
    async def stage(self) -> AsyncIterator[staging.Staging]:
        """A place for one upload's files; gone at the end, unless `deploy` took them. Raises StorageFailed."""
        folder = await asyncio.to_thread(self.store.fresh)
        try:
            yield staging.Staging(folder, max_bytes=self.settings.upload_bytes, max_files=self.settings.upload_files)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def deploy(
        self, account: str, model: str, staged: staging.Staging, given: Mapping[str, str], sample: bytes | None
    ) -> deploys.Deployed:
        """Make an upload the model's next version, in state `building`; the model and its topic too if it is new.

        Everything is checked before anything is stored. The same upload as the version that is live, or would be, is
        that version.

        Raises:
            BadName, BadBundle, KafkaUnavailable, KafkaRefused, StorageFailed: and nothing was stored.
        """
        models.require_name(model)
        checked = await asyncio.to_thread(checks.bundle, staged.places(), given=given, sample=sample)
        files = sorted(staged.files.values(), key=lambda file: file.path)
        upload = deploys.Upload(
            account=account,
            model=model,
            files=files,
            checked=checked,
            digest=versions.digest(files, checked),
            places={file.sha256: staged.place(file.path) for file in files},
        )
        deployed = await self._deploy(upload)
        if not deployed.unchanged:
            log = self.logs.of(deployed.model.uid, deployed.version.number)
            with contextlib.suppress(errors.StorageFailed):  # the version is stored; its log may be short
                await log.append(deploys.first_lines(upload, deployed.version.number))
        return deployed

    async def _deploy(self, upload: deploys.Upload) -> deploys.Deployed:
        while True:
            purged = self._purged
            known = await self._name_free(upload)
            uuid = None if known.exists else await self._topics.ensure(upload.account, upload.model)
            async with self._storing:
                known = await self._database.run(deploys.look, upload)
                if known.unchanged is not None:
                    return known.unchanged
                if not known.exists and (uuid is None or known.leaving or self._purged != purged):
                    continue  # removed meanwhile: it needs a new topic
                await asyncio.to_thread(self.store.adopt, upload.places)
                return await self._change(deploys.insert, upload, uuid)

    async def _name_free(self, upload: deploys.Upload) -> deploys.Known:
        """What is known of the upload's model, once no removed one has its name any more. Raises NameTaken."""
        until = asyncio.get_running_loop().time() + NAME_WAIT
        while True:
            seen = self.changes.number
            known = await self._database.run(deploys.look, upload)
            if not known.leaving:
                return known
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or self.changes.released:
                raise errors.NameTaken(
                    f"a model {upload.model!r} was removed and is not yet gone, as its workers end what they run; "
                    "deploy again in a moment, or under another name"
                )
            await self.changes.wait(seen, left)

    async def passed(
        self, account: str, model: str, number: int, verdict: specs.Verdict | None = None
    ) -> specs.Version:
        """A version passed its check. Raises UnknownModel, UnknownVersion, Conflict."""
        return await self._settle(account, model, number, lambda row, version: versions.passed(row, version, verdict))

    async def failed(
        self, account: str, model: str, number: int, *, step: str | None, error: str | None
    ) -> specs.Version:
        """A version's build failed at `step`. Raises UnknownModel, UnknownVersion, Conflict."""
        return await self._settle(
            account, model, number, lambda row, version: versions.failed(row, version, step=step, error=error)
        )

    async def judged(self, account: str, model: str, number: int, verdict: specs.Verdict) -> specs.Version:
        """A worker found out how a version may be run; news are a line of its log. Raises NotFound."""
        told: list[str] = []
        judged = await self._settle(
            account, model, number, lambda _, version: told.extend(versions.judged(version, verdict))
        )
        for line in told:
            with contextlib.suppress(errors.StorageFailed):  # the verdict itself is stored
                await self.append_log(account, model, number, line)
        return judged

    async def rollback(self, account: str, model: str, number: int) -> tables.Model:
        """Make an earlier version live again. Raises UnknownModel, UnknownVersion, VersionNotReady."""
        await self._settle(account, model, number, versions.go_live)
        return await self.model(account, model)

    async def _settle(
        self, account: str, model: str, number: int, rule: Callable[[tables.Model, tables.Version], None]
    ) -> specs.Version:
        def work(session: Session) -> tuple[int, specs.Version]:
            row = models.get(session, account=account, model=model)
            version = versions.get(row, number)
            rule(row, version)
            return row.uid, views.version(row, version)

        uid, version = await self._change(work)
        self.logs.of(uid, number).changes.bump()
        return version

    async def list_models(self, account: str) -> list[tables.Model]:
        """The account's models, by name."""
        return await self._database.run(lambda session: [deploys.show(row) for row in views.rows(session, account)])

    async def model(self, account: str, model: str) -> tables.Model:
        """One model with its versions. Raises UnknownModel."""
        return await self._database.run(lambda session: deploys.show(models.get(session, account=account, model=model)))

    async def log(self, account: str, model: str, number: int | None) -> tuple[logs.Log, int]:
        """A version's log and number; none: the live one's, else the newest's. Raises UnknownModel, UnknownVersion."""
        shown = await self.model(account, model)
        version = versions.get(shown, number) if number is not None else versions.shown(shown)
        return self.logs.of(shown.uid, version.number), version.number

    async def append_log(self, account: str, model: str, number: int, text: str) -> int:
        """Add lines to a version's log; the number of the last. Raises UnknownModel, UnknownVersion, StorageFailed."""
        log, _ = await self.log(account, model, number)
        return await log.append(text)

    async def remove(self, account: str, model: str) -> None:
        """Remove a model with its versions; `purging` clears away all else, and then its name is free again.

        Raises:
            UnknownModel, DatabaseUnavailable.
        """

        def work(session: Session) -> set[str]:
            row = models.get(session, account=account, model=model)
            blobs = {file.sha256 for version in row.versions for file in version.files}
            removals.begin(session, row)
            return blobs

        async with self._storing:
            await self._sweep(await self._change(work))

    async def removals(self) -> list[tables.Removal]:
        """Models that were removed and are not yet gone. Raises DatabaseUnavailable."""
        return await self._database.run(removals.every)

    async def purged(self, model_uid: int) -> None:
        """Nothing of a removed model is left. Raises DatabaseUnavailable."""
        self._purged += 1
        await self._change(removals.end, model_uid)

    async def environ_names(self, account: str, model: str) -> list[str]:
        """The names of a model's variables. Raises UnknownModel, WrongEncryptionKey."""
        shown = await self.model(account, model)
        return sorted(self._sealer.open(shown.environ))

    async def set_environ(
        self, account: str, model: str, given: Mapping[str, str | None], *, replace: bool
    ) -> list[str]:
        """Set a model's variables: all of them, or only those given (none: gone). Their names.

        Raises:
            UnknownModel, BadEnviron, NoEncryptionKey, WrongEncryptionKey.
        """

        def work(session: Session) -> list[str]:
            row = models.get(session, account=account, model=model)
            kept: dict[str, str | None] = {} if replace else {**self._sealer.open(row.environ)}
            environ = {name: value for name, value in (kept | dict(given)).items() if value is not None}
            environs.check(environ)
            row.environ = self._sealer.seal(environ)
            return sorted(environ)

        return await self._change(work)

    async def snapshot(self, etag: str | None = None) -> specs.Snapshot | None:
        """Keys and endpoints; none where `etag` names what they are. Fits wire.directory.Directory.

        Raises:
            RegistryUnavailable: the database does not answer.
        """
        number = self.changes.number
        if self._snapshot is None or self._snapshot[0] != number:
            try:
                self._snapshot = (number, await self._database.run(snapshots.take, self.settings))
            except errors.DatabaseUnavailable as error:
                raise errors.RegistryUnavailable(str(error)) from error
        taken = self._snapshot[1]
        return taken if taken.etag != etag else None

    async def specs(self) -> snapshots.Models:
        """Every model as workers need it. Raises DatabaseUnavailable."""
        async with self._reading:
            number = self.changes.number
            if self._models is None or self._models[0] != number:
                self._models = (number, await self._database.run(snapshots.take_models, self._sealer, self.settings))
            return self._models[1]

    async def wait_specs(
        self, etag: str | None, wait: float, part: Callable[[snapshots.Models], snapshots.Models] = lambda whole: whole
    ) -> snapshots.Models | None:
        """The models, or a part of them, once they are other than `etag`; none after `wait` seconds without change."""
        until = asyncio.get_running_loop().time() + wait
        while True:
            seen = self.changes.number
            found = part(await self.specs())
            if found.etag != etag:
                return found
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or not await self.changes.wait(seen, left):
                return None

    async def change_model(self, account: str, model: str, rule: Rule) -> tables.Model:
        """Change a model's own settings by a rule. Raises UnknownModel, and what the rule raises."""
        await self._change(lambda session: rule(models.get(session, account=account, model=model)))
        return await self.model(account, model)

    async def blob(self, sha256: str) -> pathlib.Path:
        """Where a blob's bytes lie. Raises UnknownBlob."""
        return await asyncio.to_thread(self.store.path, sha256)

    async def _change(self, work: Callable[..., T], *arguments: Any) -> T:
        done = await self._database.run(work, *arguments)
        self.changes.bump()
        return done

    async def _sweep(self, blobs: set[str]) -> None:
        """Remove those of the blobs that no version uses. Only while nothing is stored."""
        unused = await self._database.run(versions.unreferenced, blobs)
        await asyncio.to_thread(self.store.remove, unused)
