"""What ranks tell each other with each loss."""

import pytest
import torch

from lit_seg.distributed.step_exchange import StepExchange, is_finite, non_finite
from tests.distributed import run_on_ranks


def report(rank: int, losses: list[float], stops: list[bool]) -> tuple[float, bool, bool]:
    loss = torch.tensor(losses[rank], requires_grad=True)
    step = StepExchange()
    step.add(loss=loss, broken=~loss.isfinite(), stop=torch.tensor(float(stops[rank])))
    step.read(own=torch.tensor([[rank, 2**53 - 1]]))  # beyond what float32 holds
    values = step.finish()
    assert not values["loss"].requires_grad
    assert values["own"].tolist() == [[rank, 2**53 - 1]]
    return values["loss"].item() / len(losses), not values["broken"], bool(values["stop"])


@pytest.mark.parametrize("stops", [[False, False], [True, False], [False, True]])
def test_all_ranks_hear_the_mean_loss_and_who_wants_to_stop(stops: list[bool]) -> None:
    expected = (2.0, True, any(stops))
    assert run_on_ranks(report, [1.0, 3.0], stops) == [expected, expected]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_one_broken_rank_breaks_all(broken: float) -> None:
    for _, finite, stop in run_on_ranks(report, [1.0, broken], [False, False]):
        assert (finite, stop) == (False, False)


def test_one_process_has_no_one_to_ask() -> None:
    assert report(0, [1.5], [True]) == (1.5, True, True)
    assert report(0, [float("nan")], [False])[1:] == (False, False)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_single_broken_logit_is_seen(dtype: torch.dtype, value: float) -> None:
    logits = torch.full((2, 3, 40, 50), 60000.0, dtype=dtype)  # whose sum float16 cannot hold
    assert is_finite(torch.tensor(1.0), logits)
    assert not is_finite(torch.tensor(value), logits)
    logits[1, 2, 3, 4] = value
    assert not is_finite(torch.tensor(1.0), logits)


def test_infinities_do_not_cancel() -> None:
    logits = torch.zeros(1, 2, 3, 3)
    logits[0, 0, 0, 0], logits[0, 1, 0, 0] = float("inf"), -float("inf")
    assert not is_finite(torch.tensor(1.0), logits)


def test_the_message_names_what_is_broken() -> None:
    logits = torch.zeros(1, 2, 3, 3)
    error = non_finite("step 7", torch.tensor(float("nan")), logits, ["a.png", "b.png"])
    assert str(error).startswith("step 7: the loss is nan and 0 of 18 logits are NaN or infinite")
    assert "on the images a.png, b.png" in str(error)
    assert str(error).endswith("there is no checkpoint yet")
    error.checkpoint = "last.ckpt (step 4)"
    assert str(error).endswith("the last good checkpoint is last.ckpt (step 4)")
    other = non_finite("step 7", torch.tensor(1.0), logits, ["a.png"])
    assert "another rank" in str(other)
    assert "a.png" not in str(other)
