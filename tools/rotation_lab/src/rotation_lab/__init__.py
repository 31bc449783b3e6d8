"""Prove a Secrets Manager rotation function: a local AWS, real services, and crashes at every call it makes."""

__version__ = "0.1.0"
