"""What a fleet of connectors is made of today: Dockerfiles and published images, read and compared."""
