"""
Bedrock for other projects' tests: a pytest plugin and what it is made of. See docs/emulator.md.
"""
