"""
One file per client dialect: their bytes become a request, our events become their bytes.
"""
