"""``rotation-lab try``: one rotation function on one secret of a sandbox, through everything that can interrupt it."""
