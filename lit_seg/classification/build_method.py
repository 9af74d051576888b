"""Makes a method from its name and its parts."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from torch import nn

from lit_seg.classification.heads.cosine import CosineHead
from lit_seg.classification.heads.lws import LWSHead
from lit_seg.classification.heads.ncm import NCMHead
from lit_seg.classification.heads.post_hoc import PostHocHead
from lit_seg.classification.heads.tau_norm import TauNormHead
from lit_seg.classification.losses.lifted_structure import LiftedStructureLoss
from lit_seg.classification.losses.range_loss import RangeLoss
from lit_seg.classification.methods.base import Method
from lit_seg.classification.methods.bbn import BBN
from lit_seg.classification.methods.oltr import OLTR
from lit_seg.classification.methods.plain import Plain
from lit_seg.classification.methods.sdn import SDN
from lit_seg.classification.methods.second_stage import SecondStage
from lit_seg.classification.networks.backbone import Backbone
from lit_seg.classification.networks.digits import digits_net
from lit_seg.classification.networks.resnet32 import resnet32
from lit_seg.classification.networks.torchvision_resnets import torchvision_resnet
from lit_seg.errors import check_choice
from lit_seg.losses import LossFactory
from lit_seg.losses.base import SegLoss, build_loss

HeadName = Literal["linear", "cosine"]
_HEADS: dict[str, Callable[[int, int], nn.Module]] = {"linear": nn.Linear, "cosine": CosineHead}
_FEATURE_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "lifted_structure": LiftedStructureLoss,
    "range": RangeLoss,
}


def build_backbone(network: str, channels: int, options: Mapping[str, Any]) -> Backbone:
    """Make a network: ``digits``, ``resnet32``, or a ResNet of torchvision such as ``resnet50``.

    Raises:
        ValueError: if there is no such network, or it does not take the options.
    """
    own = {"digits": digits_net, "resnet32": resnet32}
    try:
        if network in own:
            return own[network](channels, **options)
        return torchvision_resnet(network, **options)
    except TypeError as error:
        raise ValueError(f"`options` of {network}: {error}") from error


class Parts:
    """What methods are made of; a method is made by the function of its name.

    Args:
        new_backbone: makes the network.
        image_shape: channels, height and width of an image.
        class_counts: training images of each class.
        loss: over the logits; in SDN that of head g.
        head_loss: of SDN's head h; others have none.
        head: ``linear`` or ``cosine``, of methods that do not bring their own.
        options: more arguments of the method, or of its head.
    """

    def __init__(
        self,
        new_backbone: Callable[[], Backbone],
        image_shape: tuple[int, int, int],
        class_counts: list[int],
        loss: LossFactory,
        head_loss: LossFactory,
        head: str,
        options: Mapping[str, Any],
    ) -> None:
        check_choice("head", head, get_args(HeadName))
        self.new_backbone = new_backbone
        self._image_shape = image_shape
        self.class_counts = class_counts
        self.backbone = new_backbone()
        self.first = nn.Linear(self.backbone.dim, len(class_counts))
        """The linear head; where there is a first stage, with its weights."""
        self.loss = build_loss(loss, class_counts)
        self._head_loss = head_loss
        self._head = head
        self._options = dict(options)

    def build(self, name: str) -> Method:
        """Make the method, after the weights of a first stage were loaded.

        Raises:
            ValueError: if it does not take the options.
        """
        makers: dict[str, Callable[..., Method]] = {
            "plain": self._plain,
            "sdn": self._sdn,
            "bbn": self._bbn,
            "oltr": self._oltr,
            "crt": self._second(lambda: self._new_head()),
            "lws": self._second(lambda: LWSHead(self.first)),
            "tau_norm": self._second(lambda **given: TauNormHead(self.first, **given)),
            "post_hoc": self._second(
                lambda **given: PostHocHead(self.first, self.class_counts, **given)
            ),
            "ncm": self._second(lambda **given: NCMHead(self._dim, self._number, **given)),
        }
        check_choice("method", name, tuple(makers))
        try:
            return makers[name](**self._options)
        except TypeError as error:
            raise ValueError(f"`method_options` of {name}: {error}") from error

    @property
    def _dim(self) -> int:
        return self.backbone.dim

    @property
    def _number(self) -> int:
        return len(self.class_counts)

    def _new_head(self) -> nn.Module:
        return _HEADS[self._head](self._dim, self._number)

    def _plain(
        self,
        feature_loss: str | None = None,
        feature_options: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Method:
        head = self.first if self._head == "linear" else self._new_head()
        if feature_loss is not None:
            check_choice("feature_loss", feature_loss, tuple(_FEATURE_LOSSES))
            given["feature_loss"] = _FEATURE_LOSSES[feature_loss](**(feature_options or {}))
        return Plain(self.backbone, head, self.loss, **given)

    def _sdn(self, **given: Any) -> Method:
        return SDN(
            self.backbone, self.loss, build_loss(self._head_loss, self.class_counts), **given
        )

    def _bbn(self, **given: Any) -> Method:
        return BBN(self.backbone, self.new_backbone().last_block, self.loss, **given)

    def _oltr(self, **given: Any) -> Method:
        shape = self.backbone.map_shape(*self._image_shape)
        return OLTR(self.backbone, self.first, self.loss, shape, **given)

    def _second(self, head: Callable[..., nn.Module]) -> Callable[..., Method]:
        def make(freeze_batchnorm: bool = True, **given: Any) -> Method:
            return SecondStage(self.backbone, head(**given), self.loss, freeze_batchnorm)

        return make


def deciding_loss(method: Method) -> SegLoss | None:
    """The loss of the head that decides: the last of a method's losses; None if it has none."""
    return next(reversed(method.losses()), None)
