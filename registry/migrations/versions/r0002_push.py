"""Where a model's results are pushed to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give models a default webhook, the count of its secrets, and reply topics."""
    op.add_column("models", sa.Column("webhook", sa.Text))
    op.add_column("models", sa.Column("webhook_rotation", sa.Integer, nullable=False, server_default="0"))
    op.add_column("models", sa.Column("webhook_rotated_at", sa.BigInteger))
    op.add_column("models", sa.Column("reply_topics", sa.Text))
