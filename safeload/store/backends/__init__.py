"""Where a store keeps its files: a folder, or an object store."""
