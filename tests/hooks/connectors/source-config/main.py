"""What the image's entrypoint starts."""

from source_config import run

if __name__ == "__main__":
    run()
