"""What nobody needs in a store any more: what is there, what is reached from locks, and what goes (docs/adr/0012)."""
