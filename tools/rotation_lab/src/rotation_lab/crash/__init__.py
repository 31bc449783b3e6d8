"""Fault injection for rotation functions: die at every call, go on in every way, and see that nothing is lost.

`rotation-lab crash` runs it on this project's function; `--function FOLDER` on any folder with a `lambda_function.py`
that has `lambda_handler`.
"""
