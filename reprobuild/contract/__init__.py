"""Whether an image keeps the contract of its base: read from config and files, executed only for versions."""
