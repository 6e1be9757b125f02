"""What the image's entrypoint starts."""

from destination_documents_locked import run

if __name__ == "__main__":
    run()
