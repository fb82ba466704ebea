"""What a signer says about an artifact, and the one encoding in which it is said."""
