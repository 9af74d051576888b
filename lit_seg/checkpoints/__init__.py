"""Checkpoints: how they are written and checked, and how a run resumes from one."""
