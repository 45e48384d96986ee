"""
A local Bedrock, written from the wire's description and never from our own translators.
"""
