"""Files: read once into private memory, written atomically."""
