"""
The only place that talks to AWS: connections, deadlines, retries, credentials.
"""
