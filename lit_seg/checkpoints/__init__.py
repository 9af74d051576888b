"""Checkpoints: when they are written, how they are written, and how a run resumes from one."""
