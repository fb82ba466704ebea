"""Files: read once into private memory, written atomically. Nothing here decides about trust."""
