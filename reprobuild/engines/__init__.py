"""Where a program runs that an image needs: the seam, and the engines behind it (design §10)."""
