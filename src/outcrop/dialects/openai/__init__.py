"""
The OpenAI dialects: Chat Completions and Responses, in and out. Pure.
"""
