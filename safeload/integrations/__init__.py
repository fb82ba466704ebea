"""safeload inside other programs: thin, with no security decision of its own."""
