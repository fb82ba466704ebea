"""What several tests need: objects to store, and files that attack."""
