"""
Record what another endpoint answers, and replay it.
"""
