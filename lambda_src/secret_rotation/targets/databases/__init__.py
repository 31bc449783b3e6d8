"""What database targets share."""
