"""The tables of the registry's database. A change here needs a migration in `registry/migrations/versions`."""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can name them on every engine."""

    metadata = MetaData(naming_convention=NAMING)


class Account(Base):
    """A tenant."""

    __tablename__ = "accounts"
    uid: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Random, part of every job id's MAC; below 2^53, so that any JSON reader keeps it whole."""
    name: Mapped[str] = mapped_column(String(20), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Unix milliseconds, as every time here."""


class Key(Base):
    """An API key; never the key itself."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_uid: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.uid", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    last_four: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class Model(Base):
    """A model and which of its versions is live."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("account_uid", "name"),)
    uid: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Random 32 bits: a model removed and made again gets another, so that old job ids are not taken for its own."""
    account_uid: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.uid", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    topic_uuid: Mapped[str] = mapped_column(String(22))
    live: Mapped[int | None]
    """Number of the live version. The one place that says it: `versions.state` never does."""
    environ: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted JSON object of the model's variables."""
    webhook: Mapped[str | None] = mapped_column(Text)
    """Called at the end of jobs that name none of their own."""
    webhook_rotation: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the secret of its webhooks was replaced; the secret itself is derived (wire.webhooks)."""
    webhook_rotated_at: Mapped[int | None] = mapped_column(BigInteger)
    reply_topics: Mapped[str | None] = mapped_column(Text)
    """JSON list of the topics that `reply_to` may name."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[Account] = relationship(lazy="joined")
    versions: Mapped[list["Version"]] = relationship(
        back_populates="model", order_by="Version.number", cascade="all, delete-orphan", passive_deletes=True
    )


class Removal(Base):
    """A model that was removed, until nothing of it is left: so long its name is not free."""

    __tablename__ = "removals"
    __table_args__ = (UniqueConstraint("account", "name"),)
    model_uid: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(40))
    removed_at: Mapped[int] = mapped_column(BigInteger)


class Version(Base):
    """One upload of a model."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("model_uid", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    model_uid: Mapped[int] = mapped_column(BigInteger, ForeignKey("models.uid", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    """`building`, `ready` or `failed`; that it is live is said by its model."""
    digest: Mapped[str] = mapped_column(String(64))
    entry: Mapped[str] = mapped_column(Text)
    options: Mapped[str] = mapped_column(Text)
    """JSON of wire.specs.Options."""
    sample: Mapped[str | None] = mapped_column(Text)
    """JSON of the sample input; NULL: none was given."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    built_at: Mapped[int | None] = mapped_column(BigInteger)
    """When it left `building`."""
    live_at: Mapped[int | None] = mapped_column(BigInteger)
    """When it last went live."""
    failed_step: Mapped[str | None] = mapped_column(String(20))
    error: Mapped[str | None] = mapped_column(Text)
    verdict: Mapped[str | None] = mapped_column(Text)
    """JSON: what the check found out about the version, such as whether it may be batched."""
    model: Mapped[Model] = relationship(back_populates="versions")
    files: Mapped[list["File"]] = relationship(
        order_by="File.path", cascade="all, delete-orphan", passive_deletes=True, lazy="selectin"
    )


class File(Base):
    """One file of a version; its bytes are the blob `sha256`."""

    __tablename__ = "files"
    __table_args__ = (Index(None, "sha256"), UniqueConstraint("version_id", "path"))
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
