"""Alembic's environment for every chain; `chassis.migrate` hands over the connection."""

from alembic import context

options = context.config.attributes
context.configure(connection=options["connection"], version_table=options["version_table"])
with context.begin_transaction():
    context.run_migrations()
