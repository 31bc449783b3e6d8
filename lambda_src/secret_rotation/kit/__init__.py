"""What any target may use: where the service is, TLS, the administrator, the driver."""
