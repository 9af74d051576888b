"""Which rank sees which sample: nothing twice, nothing lost, whatever the number of ranks."""

import pytest

from lit_seg.data.sampling import FILLER, EvalSampler, TrainSampler, shuffled


def order(size, seed=0):
    return lambda epoch: shuffled(size, seed, epoch).tolist()


def indices(sampler):
    return [index for _, index, _ in sampler]


def batches(sampler, size):
    keys = list(sampler)
    return [keys[i : i + size] for i in range(0, len(keys) - size + 1, size)]


def trained(size, rank=0, ranks=1, seed=0, epoch=0):
    sampler = TrainSampler(order(size, seed), size, rank, ranks)
    sampler.set_epoch(epoch)
    return sampler


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [3, 12, 25])
def test_ranks_train_on_different_samples_and_equally_many(size, ranks):
    parts = [indices(trained(size, rank, ranks)) for rank in range(ranks)]
    assert {len(part) for part in parts} == {size // ranks}
    assert [len(trained(size, r, ranks)) for r in range(ranks)] == [len(p) for p in parts]
    together = [index for part in parts for index in part]
    assert len(set(together)) == len(together)
    assert set(together) <= set(range(size))


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_step_of_all_ranks_sees_what_one_process_sees(ranks):
    per_rank = [batches(trained(25, rank, ranks, epoch=4), 2) for rank in range(ranks)]
    alone = batches(trained(25, epoch=4), 2 * ranks)
    assert len(alone) == len(per_rank[0]) > 2
    for step, batch in enumerate(alone):
        assert set(batch) == {key for rank in per_rank for key in rank[step]}


def test_training_order_is_a_function_of_seed_and_epoch():
    order = indices(trained(50, seed=1, epoch=2))
    assert order == indices(trained(50, seed=1, epoch=2))
    assert order != indices(trained(50, seed=1, epoch=3))
    assert order != indices(trained(50, seed=2, epoch=2))
    assert order != list(range(50))
    assert sorted(order) == list(range(50))


def test_a_second_pass_repeats_the_first_until_the_epoch_is_set():
    sampler = trained(10)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_the_epoch_travels_with_the_index():
    assert {epoch for epoch, _, _ in trained(10, epoch=7)} == {7}
    assert {epoch for epoch, _, _ in EvalSampler(10)} == {0}


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_evaluation_sees_every_sample_once(ranks):
    samplers = [EvalSampler(7, rank, ranks) for rank in range(ranks)]
    assert all(len(sampler) > 0 for sampler in samplers)  # all go through an evaluation together
    together = [index for sampler in samplers for index in indices(sampler)]
    assert sorted(index for index in together if index != FILLER) == list(range(7))
    assert together.count(FILLER) == max(0, ranks - 7)
    assert [len(sampler) for sampler in samplers] == [len(indices(s)) for s in samplers]


def test_evaluation_goes_in_order():
    assert indices(EvalSampler(7)) == list(range(7))
    assert indices(EvalSampler(7, 1, 3)) == [1, 4]


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("before", [1, 2, 4])
def test_a_resumed_epoch_sees_what_is_left_of_it(before, ranks):
    """With steps of 8 samples, on as many ranks as before or not."""
    steps = [
        {
            key
            for rank in range(before)
            for key in batches(trained(40, rank, before), 8 // before)[i]
        }
        for i in range(5)
    ]
    resumed = [TrainSampler(order(40), 40, rank, ranks, epoch=0, done=16) for rank in range(ranks)]
    for sampler in resumed:
        sampler.set_epoch(0)  # the trainer does, and must not undo it
    left = [batches(sampler, 8 // ranks) for sampler in resumed]
    assert [{key for rank in left for key in rank[i]} for i in range(3)] == steps[2:]
    assert {len(sampler) for sampler in resumed} == {40 // ranks}  # the trainer counts on from 16


def test_the_epoch_after_a_resumed_one_is_whole():
    sampler = TrainSampler(order(10), 10, epoch=3, done=4)
    assert len(list(sampler)) == 6
    assert {epoch for epoch, _, _ in sampler} == {3}
    sampler.set_epoch(4)
    assert list(sampler) == list(trained(10, epoch=4))
