"""Fetching the archives of datasets."""
