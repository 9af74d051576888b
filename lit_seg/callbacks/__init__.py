"""Callbacks that observe training and record it; they know no loss and no dataset."""
