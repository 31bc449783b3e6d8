"""Roles of PostgreSQL whose members can do what a superuser can, or nearly."""

PRIVILEGED = ("rds_superuser", "rdsadmin", "cloudsqlsuperuser", "alloydbsuperuser", "azure_pg_admin")
"""What clouds give in place of a superuser."""
