"""Long-tailed image classification: the recall paper's decoupled network and its baselines.

A *method* (``methods/``) is a backbone, its heads and how they train; all follow the protocol of
``methods.base.Method``. Losses are those of ``lit_seg.losses``: an image is a pixel, so that logits
are ``(N, C)`` and labels ``(N,)``.
"""
