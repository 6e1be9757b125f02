"""Two images side by side: where they differ, and why."""
