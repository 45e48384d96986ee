"""
The bodies that model families speak on InvokeModel: read into an `Ask`, written from an `Answer`.
"""
