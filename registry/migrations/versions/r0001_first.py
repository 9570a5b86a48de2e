"""Accounts, keys, models, versions and their files."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "accounts",
        sa.Column("uid", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_uid", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("sha256", name="uq_keys_sha256"),
        sa.ForeignKeyConstraint(["account_uid"], ["accounts.uid"], name="fk_keys_account_uid", ondelete="CASCADE"),
    )
    op.create_index("ix_keys_account_uid", "keys", ["account_uid"])
    op.create_table(
        "models",
        sa.Column("uid", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account_uid", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("topic_uuid", sa.String(22), nullable=False),
        sa.Column("live", sa.Integer),
        sa.Column("environ", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_models"),
        sa.UniqueConstraint("account_uid", "name", name="uq_models_account_uid_name"),
        sa.ForeignKeyConstraint(["account_uid"], ["accounts.uid"], name="fk_models_account_uid", ondelete="CASCADE"),
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("model_uid", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("sample", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("built_at", sa.BigInteger),
        sa.Column("live_at", sa.BigInteger),
        sa.Column("failed_step", sa.String(20)),
        sa.Column("error", sa.Text),
        sa.Column("verdict", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("model_uid", "number", name="uq_versions_model_uid_number"),
        sa.ForeignKeyConstraint(["model_uid"], ["models.uid"], name="fk_versions_model_uid", ondelete="CASCADE"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.UniqueConstraint("version_id", "path", name="uq_files_version_id_path"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_files_version_id", ondelete="CASCADE"),
    )
    op.create_index("ix_files_sha256", "files", ["sha256"])
