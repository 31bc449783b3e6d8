"""The services that secrets open: stand-ins for a quick run, and the real servers."""
