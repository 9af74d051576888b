"""A tiny SYNTHIA-SEQS-05-SUMMER in the layout of its archive."""

from pathlib import Path

import cv2
import numpy as np

from tests.data.pictures import MAC, noise_and_ids, save

SIZE = (12, 20)
IDS = (*range(13), 15)
"""Void and the classes; 13 and 14 are reserved."""
CAMERAS = tuple(
    f"{side}/{view}"
    for side in ("Stereo_Left", "Stereo_Right")
    for view in ("Omni_B", "Omni_F", "Omni_L", "Omni_R")
)


def write(root: Path, frames: int = 10, cameras: tuple[str, ...] = CAMERAS) -> None:
    """Frames of each camera, with what the archive holds beside images and labels."""
    sequence = root / "SYNTHIA-SEQS-05-SUMMER"
    for number, camera in enumerate(cameras):
        for i in range(frames):
            name = f"{camera}/{i:06}.png"
            image, ids = noise_and_ids((number, i), SIZE, len(IDS))
            save(sequence / "RGB" / name, image)
            save_label(sequence / "GT" / "LABELS" / name, np.take(IDS, ids))
        save(sequence / "GT" / "COLOR" / camera / "000000.png", np.zeros_like(image))
        save_label(sequence / "Depth" / camera / "000000.png", np.full(SIZE, 7000))
        parameters = sequence / "CameraParams" / camera / "000000.txt"
        parameters.parent.mkdir(parents=True)
        parameters.write_text("1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n")
        for kind in ("RGB", "GT/LABELS"):  # left by the computer that packed it
            (sequence / kind / camera / "._000000.png").write_bytes(MAC)
            (sequence / kind / camera / "Thumbs.db").write_bytes(b"")


def save_label(path: Path, ids: np.ndarray) -> None:
    """16 bits per channel: class ids in R, instances in G; OpenCV takes BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    instances = 300 + np.arange(ids.size).reshape(ids.shape)
    channels = np.stack([np.zeros_like(ids), instances, ids], axis=-1).astype(np.uint16)
    path.write_bytes(cv2.imencode(".png", channels)[1].tobytes())
