"""
Answers from a real model: any server that speaks OpenAI's Chat Completions.
"""
