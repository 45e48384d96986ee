"""
One file per model family: a request becomes its native body, its answer becomes our events.
"""
