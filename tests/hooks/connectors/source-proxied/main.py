"""What the image's entrypoint starts."""

from source_proxied import run

if __name__ == "__main__":
    run()
