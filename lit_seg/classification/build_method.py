"""Makes a method from its name and its parts."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from torch import nn

from lit_seg.classification.heads.cosine import CosineHead
from lit_seg.classification.heads.lws import LWSHead
from lit_seg.classification.heads.ncm import NCMHead
from lit_seg.classification.heads.tau_norm import TauNormHead
from lit_seg.classification.methods.base import Method
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

MethodName = Literal["plain", "sdn", "crt", "lws", "tau_norm", "ncm"]
SECOND_STAGES = ("crt", "lws", "tau_norm", "ncm")
"""The methods that need a finished run of the first stage."""
HeadName = Literal["linear", "cosine"]

_HEADS: dict[str, Callable[[int, int], nn.Module]] = {"linear": nn.Linear, "cosine": CosineHead}


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


def build_method(
    name: MethodName,
    backbone: Backbone,
    first: nn.Linear,
    class_counts: list[int],
    loss: LossFactory,
    head_loss: LossFactory,
    head: HeadName = "linear",
    options: Mapping[str, Any] | None = None,
) -> Method:
    """Make a method.

    Args:
        name: of the method.
        backbone: with the weights of the first stage, where there is one.
        first: a linear head, also with its weights.
        class_counts: training images of each class.
        loss: over the logits; in SDN that of head g.
        head_loss: of SDN's head h; others have none.
        head: of methods that do not bring their own.
        options: more arguments of the method, or of its head.

    Raises:
        ValueError: if there is no such method, or it does not take the options.
    """
    check_choice("method", name, get_args(MethodName))
    check_choice("head", head, get_args(HeadName))
    given, number = dict(options or {}), len(class_counts)
    made = build_loss(loss, class_counts)

    def new_head() -> nn.Module:
        return first if head == "linear" else _HEADS[head](backbone.dim, number)

    def second(second_head: nn.Module) -> Method:
        return SecondStage(backbone, second_head, made, **given)

    def of_head(make: Callable[..., nn.Module], *args: Any) -> Method:
        own = {key: given.pop(key) for key in [*given] if key != "freeze_batchnorm"}
        return second(make(*args, **own))

    makers: dict[str, Callable[[], Method]] = {
        "plain": lambda: Plain(backbone, new_head(), made, **given),
        "sdn": lambda: SDN(backbone, made, build_loss(head_loss, class_counts), **given),
        "crt": lambda: second(_HEADS[head](backbone.dim, number)),
        "lws": lambda: of_head(LWSHead, first),
        "tau_norm": lambda: of_head(TauNormHead, first),
        "ncm": lambda: of_head(NCMHead, backbone.dim, number),
    }
    try:
        return makers[name]()
    except TypeError as error:
        raise ValueError(f"`method_options` of {name}: {error}") from error


def deciding_loss(method: Method) -> SegLoss | None:
    """The loss of the head that decides: the last of a method's losses; None if it has none."""
    return next(reversed(method.losses()), None)
