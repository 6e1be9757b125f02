"""What was built, held against what the lock records."""
