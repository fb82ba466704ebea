"""joblib and pickle: allowlisted unpicklers, recording picklers, and the dry run of an allowlist."""
