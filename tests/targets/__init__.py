"""Each target against a real server."""
