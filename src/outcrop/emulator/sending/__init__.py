"""
How an answer leaves: its messages, its pace, the line to the client, and the faults on the way.
"""
