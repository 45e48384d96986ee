"""
`outcrop doctor`: look at all that `serve` needs, and say what to do about what is missing.
"""
