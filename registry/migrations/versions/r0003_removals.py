"""Models that were removed, until nothing of them is left."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "removals",
        sa.Column("model_uid", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account", sa.String(20), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("removed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model_uid", name="pk_removals"),
        sa.UniqueConstraint("account", "name", name="uq_removals_account_name"),
    )
