"""Reads and writes files safely: whole or not at all, and without running code in them."""
