"""What alembic runs for every command: it is given a connection, and works in that connection's transaction."""

from alembic import context

from registry import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.Base.metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
