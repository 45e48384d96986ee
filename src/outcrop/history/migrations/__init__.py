"""
Alembic's scripts. A script is never changed once it was released: a change is a new one.
"""
