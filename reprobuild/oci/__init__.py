"""Images as the OCI specifications describe them: types, references, layouts, archives, registries."""
