"""Downloading and unpacking the archives of datasets."""
