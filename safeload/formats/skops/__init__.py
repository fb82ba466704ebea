"""skops archives, checked as an archive, as a schema and as types before skops sees them."""
