"""Downloads and unpacks the archives of datasets."""
