"""
The Anthropic dialect: the Messages API, in and out. Pure.
"""
