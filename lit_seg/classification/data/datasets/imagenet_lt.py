"""ImageNet-LT: photos of 1000 kinds of things."""

from lit_seg.classification.data.photos import Listed
from lit_seg.data.card import DataCard


class ImageNetLT(Listed):
    """ImageNet-LT: 115,846 photos of 1000 classes to train, 1280 of one to 5 of others.

    Layout below ``root``: ``ImageNet_LT_{train,val,test}.txt`` and the folders ``train/<synset>``
    and ``val/<synset>`` of ILSVRC 2012. The validation images of this challenge test here; its
    archive has them in one folder, so they must be sorted by synset first.
    """

    folder = "imagenet_lt"
    num_classes = 1000
    list_name = "ImageNet_LT_{}.txt"
    card = DataCard(
        what="photos of things, 1000 classes of 1280 to 5 images",
        images={"train": 115846, "val": 20000, "test": 50000},
        licence="images for non-commercial research and education only (ILSVRC 2012)",
        citation="Liu et al., Large-Scale Long-Tailed Recognition in an Open World, CVPR 2019; "
        "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        how_to_get="The lists are in the folder data of "
        "https://github.com/facebookresearch/classifier-balancing; the folders train and val are "
        "those of ILSVRC 2012 (https://image-net.org, by an account), with a folder per synset in "
        "each.",
    )
    lengths = card.images
