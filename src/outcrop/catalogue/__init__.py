"""
The table of models, and how a client's model name finds its row.
"""
