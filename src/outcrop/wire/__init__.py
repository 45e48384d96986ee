"""
Bytes and values: the AWS event stream, SigV4 and server-sent events, without clock or I/O.
"""
