"""The history of the registry's tables, run by alembic at every start."""
