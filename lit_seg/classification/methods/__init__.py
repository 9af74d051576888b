"""How a backbone and its heads train and decide: one file per method."""
