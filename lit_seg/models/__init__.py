"""Networks: how they are built and run. Nothing here needs a trainer or a loss."""
