"""What several tests share: stand-ins for the services that the function talks to."""
