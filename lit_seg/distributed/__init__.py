"""Several processes that train together: time limits, stopping, and what they exchange."""
