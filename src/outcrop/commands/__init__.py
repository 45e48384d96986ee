"""
What the commands of the terminal do; `outcrop.cli` parses their arguments.
"""
