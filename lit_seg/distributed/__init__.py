"""Lets several processes train together: time limits, stopping, and what they exchange."""
