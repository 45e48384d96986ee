"""
Turns and their logs: the heart. A turn is owned here, never by a connection.
"""
