"""Fault injection for rotation functions: die at every call, go on in every way, and see that nothing is lost.

rotation-lab crash --function FOLDER --case "key-value"        # any function; the cases of ``generic``
rotation-lab crash --function FOLDER --cases my_cases.py       # with cases of one's own: see ``case``
"""
