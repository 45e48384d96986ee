"""
The parts that the native dialect is made of: a turn's log as the AI SDK's UI message stream. Pure.
"""
