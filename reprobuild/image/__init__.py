"""Images as they are: layers as plain bytes, and the files that they add up to. Nothing is executed."""
