"""What the hook's own process runs. Nothing here may import the rest of reprobuild: hooks are not to see it."""
