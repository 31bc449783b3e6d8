"""A local AWS in which secrets really rotate. ``rotation-lab sandbox`` runs it, ``client`` talks to it."""
