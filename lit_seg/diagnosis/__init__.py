"""Is class imbalance the bottleneck of a run? Answered from the files that the run left."""
