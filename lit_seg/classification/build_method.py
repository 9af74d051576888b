"""Makes a method from its name and its parts."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
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
from lit_seg.classification.networks.torchvision_resnets import RESNETS, torchvision_resnet
from lit_seg.errors import check_choice, near
from lit_seg.losses import LossFactory
from lit_seg.losses.base import SegLoss, build_loss

HeadName = Literal["linear", "cosine"]
_HEADS: dict[str, Callable[[int, int], nn.Module]] = {"linear": nn.Linear, "cosine": CosineHead}
HEADED = ("plain", "sdn", "bbn", "crt")
"""The methods whose head over the logits of ``loss`` may be either; others bring their own."""
_FEATURE_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "lifted_structure": LiftedStructureLoss,
    "range": RangeLoss,
}


def build_backbone(network: str, channels: int, options: Mapping[str, Any]) -> Backbone:
    """Make a network: ``digits``, ``resnet32``, or a ResNet of torchvision such as ``resnet50``.

    Raises:
        ValueError: if there is no such network, or it does not take the options.
    """
    own = {"digits": partial(digits_net, channels), "resnet32": partial(resnet32, channels)}
    check_choice("network", network, (*own, *RESNETS))
    if network in RESNETS and channels != 3:
        raise ValueError(
            f"`network` {network}: takes images of 3 channels, these have {channels}; take one of "
            f"{', '.join(own)}"
        )
    maker = own.get(network) or partial(torchvision_resnet, network)
    made: Backbone = with_options(f"`options` of {network}", options, maker)
    return made


class Parts:
    """What methods are made of; a method is made by the function of its name.

    Args:
        new_backbone: makes the network.
        image_shape: channels, height and width of an image.
        class_counts: training images of each class.
        loss: over the logits; in SDN that of head g.
        head_loss: of SDN's head h; others have none.
        head: ``linear`` or ``cosine``: what makes the logits of ``loss``, in ``HEADED``.
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
        check_scale("loss", self.loss, head)
        self._head_loss = head_loss
        self._head = head
        self._options = dict(options)

    def build(self, name: str) -> Method:
        """Make the method, after the weights of a first stage were loaded.

        Raises:
            ValueError: if it does not take the options, or head and losses do not fit together.
        """
        size = self.backbone.dim, len(self.class_counts)
        heads: dict[str, Callable[..., nn.Module]] = {
            "crt": partial(self._new_head, *size),
            "lws": partial(LWSHead, self.first),
            "tau_norm": partial(TauNormHead, self.first),
            "post_hoc": partial(PostHocHead, self.first, self.class_counts),
            "ncm": partial(NCMHead, *size),
        }
        # what makes each, and what takes the options that it passes on
        makers: dict[str, tuple[Callable[..., Any], ...]] = {
            "plain": (self._plain, Plain),
            "sdn": (self._sdn,),
            "bbn": (self._bbn,),
            "oltr": (self._oltr, OLTR),
        } | {second: (partial(self._second, head), head) for second, head in heads.items()}
        check_choice("method", name, tuple(makers))
        if self._head != "linear" and name not in HEADED:
            raise ValueError(
                f"`head` must be 'linear' in {name}, whose head is its own, got {self._head!r}: "
                "leave it out, take another loss than LDAM, which has it, or one of "
                f"{', '.join(HEADED)}"
            )
        method: Method = with_options(f"`method_options` of {name}", self._options, *makers[name])
        return method

    def _new_head(self, dim: int, num_classes: int) -> nn.Module:
        return _HEADS[self._head](dim, num_classes)

    def _plain(
        self,
        feature_loss: str | None = None,
        feature_options: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Method:
        # the linear head was drawn already
        linear = self._head == "linear"
        head = self.first if linear else self._new_head(self.backbone.dim, len(self.class_counts))
        if feature_loss is None and feature_options is not None:
            raise ValueError(
                f"`feature_options` {feature_options!r}: are those of a `feature_loss`, got None; "
                f"give one of {', '.join(_FEATURE_LOSSES)}"
            )
        if feature_loss is not None:
            check_choice("feature_loss", feature_loss, tuple(_FEATURE_LOSSES))
            given["feature_loss"] = with_options(
                f"`feature_options` of {feature_loss}",
                {} if feature_options is None else feature_options,
                _FEATURE_LOSSES[feature_loss],
            )
        return Plain(self.backbone, head, self.loss, **given)

    def _sdn(self) -> Method:
        head_loss = build_loss(self._head_loss, self.class_counts)
        check_scale("head_loss", head_loss, "linear")
        return SDN(self.backbone, self.loss, head_loss, self._new_head)

    def _bbn(self) -> Method:
        return BBN(self.backbone, self.new_backbone().last_block, self.loss, self._new_head)

    def _oltr(self, **given: Any) -> Method:
        shape = self.backbone.map_shape(*self._image_shape)
        return OLTR(self.backbone, self.first, self.loss, shape, **given)

    def _second(
        self, head: Callable[..., nn.Module], freeze_batchnorm: bool = True, **given: Any
    ) -> Method:
        return SecondStage(self.backbone, head(**given), self.loss, freeze_batchnorm)


def with_options(what: str, options: Mapping[str, Any], *makers: Callable[..., Any]) -> Any:
    """Call the first of some makers with options that it has, or passes on to the others.

    Raises:
        ValueError: naming ``what``, if there is no such option.
    """
    known = {
        name: parameter.default
        for maker in makers
        for name, parameter in signature(maker).parameters.items()
        if parameter.default is not parameter.empty
    }
    if not isinstance(options, Mapping):
        raise ValueError(f"{what}: must be a mapping such as {{name: value}}, got {options!r}")
    for name, value in options.items():
        if name not in known:
            there = near(name, known) if known else "; it takes none"
            raise ValueError(f"{what}: there is no {name!r}{there}")
        if isinstance(known[name], bool) and not isinstance(value, bool):
            raise ValueError(f"{what}: `{name}` must be true or false, got {value!r}")
        kind, word = (int, "whole number") if type(known[name]) is int else (int | float, "number")
        if type(known[name]) in (int, float) and (
            isinstance(value, bool) or not isinstance(value, kind)
        ):
            raise ValueError(f"{what}: `{name}` must be a {word}, got {value!r}")
    try:
        return makers[0](**options)
    except TypeError as error:  # of a value
        raise ValueError(f"{what}: {error}") from error


def check_scale(option: str, loss: SegLoss, head: str) -> None:
    """Refuse a loss that scales logits which are not cosines, or does not scale those that are.

    Raises:
        ValueError: naming the option, the loss and the head.
    """
    scales = [part.scale for part in loss.modules() if getattr(part, "scale", 1) != 1]
    name = type(loss).__name__
    if head == "cosine" and not scales:
        raise ValueError(
            f"`head` cosine: its logits are cosines, and {name} does not scale them; take a loss "
            "with a `scale`, such as `LDAMLoss`, or the head 'linear'"
        )
    if head == "linear" and scales:
        raise ValueError(
            f"`{option}` {name}: multiplies by {scales[0]:g} what must be cosines, and the head is "
            "'linear'; take `--model.head cosine`, or the scale 1, with which it is a margin alone"
        )


def deciding_loss(method: Method) -> SegLoss | None:
    """The loss of the head that decides: the last of a method's losses; None if it has none."""
    return next(reversed(method.losses()), None)
