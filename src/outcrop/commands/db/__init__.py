"""
`outcrop db`: what an operator does with the database: upgrade, check, back up and restore it.
"""
