"""What is signed about an artifact, and its canonical encoding."""
