"""A tiny ADE20K SceneParse150 in the layout of ADEChallengeData2016.zip."""

import numpy as np

from tests.data.pictures import noise_and_ids, save

SIZE = (12, 16)
NUM_IDS = 151
COUNTS = {"training": 6, "validation": 4}
PREFIXES = {"training": "ADE_train", "validation": "ADE_val"}


def write(root, size=SIZE):
    """Write both splits, and the two lists that the archive also holds."""
    release = root / "ADEChallengeData2016"
    scenes = []
    for split, count in COUNTS.items():
        for i in range(count):
            stem = f"{PREFIXES[split]}_{i + 1:08}"
            image, label = noise_and_ids([i, len(split)], size, NUM_IDS, darkest=96)
            save(release / "images" / split / f"{stem}.jpg", image, quality=95)
            save(release / "annotations" / split / f"{stem}.png", label.astype(np.uint8))
            scenes.append(f"{stem} misc\n")
    (release / "sceneCategories.txt").write_text("".join(scenes))
    head = "Idx\tRatio\tTrain\tVal\tName\n"
    (release / "objectInfo150.txt").write_text(f"{head}1\t0.1576\t11664\t1172\twall\n")
