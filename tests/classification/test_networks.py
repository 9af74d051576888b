"""Networks have the published sizes, and a last block that trains by itself."""

import pytest
import torch
from torch import nn

from lit_seg.classification.heads.cosine import CosineHead
from lit_seg.classification.networks.digits import digits_net
from lit_seg.classification.networks.resnet32 import BasicBlock, resnet32
from lit_seg.classification.networks.torchvision_resnets import torchvision_resnet
from tests.classification.small import backbone, batch


def size(*modules):
    return sum(parameter.numel() for each in modules for parameter in each.parameters())


@pytest.mark.parametrize(
    ("head", "classes", "parameters"),
    [
        (nn.Linear, 10, 464_154),
        (nn.Linear, 100, 470_004),
        (CosineHead, 10, 464_144),
        (CosineHead, 100, 469_904),
    ],
)
def test_resnet32_has_the_parameters_of_the_published_code(head, classes, parameters):
    assert size(resnet32(), head(64, classes)) == parameters


def test_a_shortcut_takes_every_other_place_between_channels_of_zeros():
    block = BasicBlock(2, 4, stride=2)
    nn.init.zeros_(block.bn2.weight)  # so that only the shortcut is left
    x = torch.rand(1, 2, 4, 4)
    y = block(x)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert not y[:, [0, 3]].any()


def test_digits_have_features():
    assert digits_net()(torch.zeros(2, 1, 8, 8)).shape == (2, 32)


@pytest.mark.parametrize(("stride", "seen"), [(1, 13), (2, 23)])
def test_a_feature_of_digits_sees_so_many_pixels(stride, seen):
    net = digits_net(stride=stride).eval()
    image = torch.randn(1, 1, 48, 48, requires_grad=True)
    maps = net.last_block(net.trunk(image))
    maps[0, :, 6, 6].sum().backward()
    assert image.grad[0, 0].any(0).sum() == seen


def test_a_network_of_torchvision_is_only_divided():
    torch.manual_seed(0)
    ours = torchvision_resnet("resnet18").eval()
    torch.manual_seed(0)
    import torchvision

    theirs = torchvision.models.resnet18().eval()
    theirs.fc = nn.Identity()
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(ours(images), theirs(images))
    assert ours.dim == 512


def test_a_new_last_block_forgets_its_weights_alone():
    torch.manual_seed(0)
    old = torchvision_resnet("resnet18")
    torch.manual_seed(0)
    new = torchvision_resnet("resnet18", new_last_block=True)
    assert torch.equal(new.trunk[0].weight, old.trunk[0].weight)
    assert not torch.equal(new.last_block.conv1.weight, old.last_block.conv1.weight)


def test_another_network_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be .* or 'resnet50', got 'vgg16'"):
        torchvision_resnet("vgg16")
    with pytest.raises(ValueError, match=r"`weights` must be 'IMAGENET1K_V1', .*got 'coco'"):
        torchvision_resnet("resnet50", weights="coco")


@pytest.mark.parametrize("batchnorm", [True, False])
@pytest.mark.parametrize(
    ("part", "trains"),
    [
        ("none", {"trunk", "last_block", "neck"}),
        ("trunk", {"last_block", "neck"}),
        ("blocks", {"neck"}),
        ("all", set()),
    ],
)
def test_what_is_frozen_keeps_weights_and_statistics(part, trains, batchnorm):
    net = backbone(neck_dim=3).freeze("all").freeze(part, batchnorm).train()
    assert {
        name.split(".")[0] for name, each in net.named_parameters() if each.requires_grad
    } == trains
    before = {name: value.clone() for name, value in net.named_buffers()}
    net(batch(0)[0])
    changed = {n.split(".")[0] for n, value in net.named_buffers() if not value.equal(before[n])}
    # the published code freezes parameters only: the statistics follow the batches
    assert changed == (trains - {"neck"} if batchnorm else {"trunk", "last_block"})
    assert not net.eval().last_block.training


def test_a_neck_is_a_linear_layer_with_relu():
    net, images = backbone(neck_dim=3), batch(0)[0]
    assert net.dim == 3
    before = net.last_block(net.trunk(images)).mean((2, 3))
    expected = torch.relu(before @ net.neck[0].weight.T + net.neck[0].bias)
    torch.testing.assert_close(net(images), expected)


def test_no_other_part_can_be_frozen():
    with pytest.raises(
        ValueError, match="`part` must be 'none', 'trunk', 'blocks' or 'all', got 'head'"
    ):
        backbone().freeze("head")


def test_cosine_head_gives_cosines():
    head, features = CosineHead(4, 3), torch.randn(2, 4)
    by_hand = nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(features), by_hand)
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(head(7 * features), head(features))
