"""The targets: services that have to accept a new value; one file for each type of ``catalogue.json``."""
