"""A fleet as one HTML page: its sections, and the style and script that go into it."""
