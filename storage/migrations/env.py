"""Alembic's environment. The connection is handed over by ``storage.migrate``."""

from alembic import context

from storage.tables import Base

alembic_config = context.config

connection = alembic_config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
