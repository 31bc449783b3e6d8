"""Nothing but Secrets Manager holds the value: there is nothing to set and nothing to test."""

NOTHING_TO_DO = True
"""The core then makes no API call in setSecret and testSecret."""
