"""The command line: the entry, the options of a training, and one module per other command."""
