"""What `make` calls, and the lab."""
