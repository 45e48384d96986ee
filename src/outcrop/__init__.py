"""
outcrop: a self-hosted chat gateway for Amazon Bedrock, with a local Bedrock emulator inside.
"""

__version__ = "0.1.0"
