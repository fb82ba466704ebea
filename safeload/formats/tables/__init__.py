"""Parquet and Arrow tables, and pandas objects in them."""
