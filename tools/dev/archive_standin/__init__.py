"""A stand-in for the provider hashicorp/archive, for machines that reach no registry and have no copy of it.

It knows the one way in which this module uses the provider: ``data "archive_file"`` of type ``zip`` with ``source``
blocks. Every other argument is declared and refused.
"""
