"""What the image's entrypoint starts."""

from destination_documents import run

if __name__ == "__main__":
    run()
