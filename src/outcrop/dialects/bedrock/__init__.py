"""
The Bedrock dialect: Converse, InvokeModel, CountTokens and the lists of models, in and out. Pure.
"""
