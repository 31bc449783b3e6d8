"""A stand-in for the provider hashicorp/archive, for machines that reach no registry and have no copy of it.

It knows the ways in which this module uses the provider: ``data "archive_file"`` of type ``zip`` with ``source``
blocks, or with ``source_dir``, ``excludes`` and ``output_file_mode``. Every other argument is declared and refused.
"""
