"""
What is kept after a turn: its record of usage.
"""
