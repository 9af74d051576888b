"""Places-LT: photos of 365 kinds of scenes."""

from lit_seg.classification.data.photos import Listed
from lit_seg.data.card import DataCard


class PlacesLT(Listed):
    """Places-LT: 62,500 photos of 365 scenes to train, 4980 of one to 5 of others.

    Layout below ``root``: ``Places_LT_{train,val,test}.txt`` and the folders ``train`` and ``val``
    of the Places365 archive with small images, whose official validation images test here.

    Class ids are those of the lists. They are not the order of the folders: 116 to 118, 141 and
    142 (``desert_road``, ``desert-sand``, ``desert-vegetation``, ``field_road``, ``field-wild``)
    differ, so that labels made from sorted folders exchange these classes.
    """

    folder = "places_lt"
    num_classes = 365
    list_name = "Places_LT_{}.txt"
    card = DataCard(
        what="photos of scenes, 365 classes of 4980 to 5 images",
        images={"train": 62500, "val": 7300, "test": 36500},
        licence="images for non-commercial research and education only (Places365)",
        citation="Liu et al., Large-Scale Long-Tailed Recognition in an Open World, CVPR 2019; "
        "Zhou et al., Places, TPAMI 2018",
        how_to_get="The lists are in the folder data of "
        "https://github.com/facebookresearch/classifier-balancing; the folders train and val are "
        "in places365standard_easyformat.tar of http://places2.csail.mit.edu.",
    )
    lengths = card.images
