"""Configurations: what they may import, and the messages for options that are wrong."""
