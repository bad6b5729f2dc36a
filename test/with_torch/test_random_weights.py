"""Random weights: the same for a seed, at the scales of a trained network."""

from __future__ import annotations

import torch
from small_model import FAMILY, SmallArchitecture, small_network, small_tensors
from torch import Generator, nn

from sam3_ros.export.fills import natural_images
from sam3_ros.export.network import PARTS, Network
from sam3_ros.export.weights.batch_norms import batch_norms, calibrate_batch_norms
from sam3_ros.export.weights.random_weights import BATCH_NORM_SCALE, fill_randomly


def wide_network(width: int = 64) -> Network:
    network = FAMILY.build(SmallArchitecture(width))
    fill_randomly(network, 5)
    return network


def test_weights_depend_on_the_seed_alone() -> None:
    one, again, other = small_tensors(1), small_tensors(1), small_tensors(2)

    assert all(torch.equal(one[name], again[name]) for name in one)
    differ = [name for name in one if not torch.equal(one[name], other[name])]
    assert set(one) - set(differ) == {name for name in one if name.endswith("batches_tracked")}


def test_a_tensor_does_not_depend_on_other_tensors_filled() -> None:
    whole = FAMILY.build(SmallArchitecture(8))
    alone = Network({"text": FAMILY.build(SmallArchitecture(8)).stages()["text"]}, {"text": PARTS})
    for network in (whole, alone):
        fill_randomly(network, 4)

    expected = whole.stages()["text"].state_dict()
    for name, tensor in alone.stages()["text"].state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_nothing_is_left_unfilled() -> None:
    network = FAMILY.build(SmallArchitecture(8))
    for tensor in network.state_dict().values():
        tensor.fill_(float("nan") if tensor.is_floating_point() else -1)
    fill_randomly(network, 1)

    state = network.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert state["_stages.text.token_norm.num_batches_tracked"] == 0


def test_each_kind_of_weight_has_its_scale() -> None:
    state = {name.split(".", 1)[1]: t for name, t in wide_network().state_dict().items()}

    def near(name: str, mean: float, deviation: float) -> None:
        tensor = state[name]
        assert abs(float(tensor.mean()) - mean) < 0.25 * deviation + 1e-6, name
        assert 0.75 * deviation < float(tensor.std()) < 1.25 * deviation, name

    near("text.q_proj.weight", 0, 64**-0.5)
    near("image_trunk.stem.weight", 0, 27**-0.5)
    near("image_trunk.up.weight", 0, 64**-0.5)
    near("text.words.weight", 0, 1)
    near("text.start", 0, 1)
    near("text.norm.weight", 1, 0.05)
    near("image_trunk.branch_norm.weight", BATCH_NORM_SCALE, 0.05)
    near("text.norm.bias", 0, 0.02)
    near("text.scale", 0.1, 0.02)
    assert (state["image_trunk.norm.running_var"] > 0.9).all()


def test_matrices_and_kernels_keep_the_variance() -> None:
    image = wide_network().stages()["image_trunk"]
    signal = torch.randn(4, 64, 16, 16, generator=Generator().manual_seed(1))
    with torch.no_grad():
        assert 0.8 < float(image.branch(signal).std()) < 1.2
        assert 0.8 < float(image.up(signal).std()) < 1.2


def test_calibrated_batch_norms_give_unit_variance_on_new_images() -> None:
    network = wide_network()
    calibrate_batch_norms(network, 5)
    image = network.stages()["image_trunk"]
    reached: list[torch.Tensor] = []
    image.branch_norm.register_forward_hook(lambda _module, _inputs, output: reached.append(output))
    unseen = natural_images(4, 32, 32, Generator().manual_seed(99))
    noise = torch.randn(4, 3, 32, 32, generator=Generator().manual_seed(98))
    with torch.no_grad():
        image(torch.cat([unseen, noise]))

    scaled = reached[0].std((0, 2, 3))
    assert 0.6 < float(scaled.mean()) < 1.5
    assert not image.training
    assert not any(norm.training for norm in batch_norms(network))
    assert all(norm.momentum == nn.BatchNorm2d(1).momentum for norm in batch_norms(network))


def test_calibration_covers_batch_norms_of_the_text() -> None:
    network = FAMILY.build(SmallArchitecture(8))
    fill_randomly(network, 1)
    before = network.stages()["text"].token_norm.running_mean.clone()
    calibrate_batch_norms(network, 1)
    norm = network.stages()["text"].token_norm

    assert not torch.equal(norm.running_mean, before)
    assert norm.num_batches_tracked == 1


def test_features_depend_on_the_image() -> None:
    image = small_network().stages()["image_trunk"]
    one, other = natural_images(2, 32, 32, Generator().manual_seed(7)).split(1)
    with torch.no_grad():
        (first,), (second,) = image(one), image(other)

    assert float((first - second).std()) > 0.3 * float(first.std())


def test_natural_images_are_smooth_and_have_unit_scale() -> None:
    images = natural_images(3, 48, 64, Generator().manual_seed(1))
    steps = (images[..., 1:] - images[..., :-1]).std()

    assert images.shape == (3, 3, 48, 64)
    assert torch.allclose(images.std((1, 2, 3)), torch.ones(3), atol=1e-4)
    assert torch.allclose(images.mean((1, 2, 3)), torch.zeros(3), atol=1e-4)
    assert float(steps) < 0.75, "noise would have 1.41"
