"""
The only place that knows the web framework: routes, sockets, lifecycle.
"""
