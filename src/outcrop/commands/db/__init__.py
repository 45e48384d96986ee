"""
`outcrop db`: what an operator does with the database: upgrade, check, back up, restore, export and import it.
"""
