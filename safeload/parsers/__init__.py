"""Strict, bounded readers of other formats; nothing is built from what they read."""
