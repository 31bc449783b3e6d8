"""The tools of this repository, run by the Makefile. Nothing here is part of the function."""
