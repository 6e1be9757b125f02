"""Outputs by the digest of their derivation, in a repository of a registry: taken if trusted, offered if asked for."""
