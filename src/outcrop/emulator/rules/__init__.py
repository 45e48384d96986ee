"""
What Bedrock refuses, and in which words.
"""
