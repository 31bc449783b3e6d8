"""The services that a secret opens, started for tests."""
