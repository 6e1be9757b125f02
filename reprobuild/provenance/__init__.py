"""Where an image comes from, as statements that can be signed."""
