"""
What the simulated models say, and how it is cut into tokens.
"""
