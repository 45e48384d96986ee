"""
The native chat dialect: its frames and bodies, in and out (docs/protocol.md). Pure.
"""
