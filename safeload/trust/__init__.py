"""Which keys, policies and statements admit which bytes. Nothing else in safeload decides that."""
