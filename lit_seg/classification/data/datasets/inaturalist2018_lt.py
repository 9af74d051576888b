"""iNaturalist 2018: photos of 8142 species, long-tailed as people found them."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from lit_seg.classification.data.image_lists import ImageList, held_back
from lit_seg.classification.data.photos import Listed
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.file_lists import inside
from lit_seg.errors import DataError, reason_of


class INaturalist2018(Listed):
    """iNaturalist 2018: 437,513 photos of 8142 species to train.

    Layout below ``root``: the folder ``train_val2018``, and ``iNaturalist18_{train,val}.txt`` or
    the official ``train2018.json`` and ``val2018.json``, from which the lists are made as in
    the code of Kang et al.: image i goes with annotation i, and its class id is the category's.

    The test labels are not public, and published results are of the validation images, 3 of each
    class. Public code chooses its best epoch on them too. Here the first one of each class
    validates and two test.

    Args:
        val_images: images of each class that validate and do not test, up to 2; with 0 all 3
            validate and all 3 test, as in public code.
        lists: folder of the lists; ``root`` by default.
        own_lists: whether they are your own, of any length; published ones must be whole.
        size: height and width of the images that the network sees, in pixels.
        scale: the range of a training crop's share of the image.
        flip: probability that a training image is mirrored.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "inaturalist2018_lt"
    num_classes = 8142
    list_name = "iNaturalist18_{}.txt"
    lengths: ClassVar[Mapping[SplitName, int]] = {"train": 437513, "val": 24426}
    mean = (118.8, 120.1, 96.9)  # those of Kang et al.: .466, .471, .380 and .195, .194, .192
    std = (49.7, 49.5, 49.0)
    card = DataCard(
        what="photos of animals, plants and fungi, 8142 species",
        images={"train": 437513, "val": 8142, "test": 16284},
        licence="images for non-commercial research and education only",
        citation="Van Horn et al., The iNaturalist Species Classification and Detection Dataset, "
        "CVPR 2018",
        how_to_get="train_val2018.tar.gz, train2018.json and val2018.json are at "
        "https://github.com/visipedia/inat_comp/tree/master/2018.",
    )

    def __init__(
        self,
        val_images: int = 1,
        lists: str | None = None,
        own_lists: bool = False,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.0,
        **options: Any,
    ) -> None:
        if val_images not in (0, 1, 2):
            raise ValueError(f"`val_images` must be 0, 1 or 2 of 3, got {val_images}")
        self.val_images = val_images
        super().__init__(lists, own_lists, size, scale, flip, jitter, **options)

    def images(self, name: SplitName) -> ImageList:
        if name == "train":
            return self.listed("train")
        found = self.listed("val")
        if not self.val_images:
            return found
        return held_back(found, self.val_images, first=name == "val")

    def read(self, name: SplitName) -> ImageList:
        path = self.lists / f"{name}2018.json"
        if not path.is_file() or (self.lists / self.list_name.format(name)).is_file():
            return super().read(name)
        paths, targets = [], []
        try:
            found = json.loads(path.read_bytes())
            for image, annotation in zip(found["images"], found["annotations"], strict=True):
                if image["id"] != annotation["image_id"]:
                    raise ValueError(f"image {image['id']} stands beside another annotation")
                if not 0 <= annotation["category_id"] < self.num_classes:
                    raise ValueError(f"there is no category {annotation['category_id']}")
                paths.append(str(image["file_name"]))
                targets.append(int(annotation["category_id"]))
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}: is no annotation file of iNaturalist 2018 ({reason_of(error)}); fetch it "
                "again"
            ) from None
        for listed in paths:
            if ".." in listed or not listed.startswith("train_val2018/"):
                inside(self.root, listed, str(path))
        return ImageList(paths, np.array(targets, np.int64), path)
