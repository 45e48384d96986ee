"""
What Alembic runs: the scripts, on the connection and in the transaction that `migrate.py` gives it.
"""

from alembic import context

from outcrop.history.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
