"""A local AWS in which secrets really rotate. ``python -m sandbox`` runs it, ``sandbox.client`` talks to it."""
