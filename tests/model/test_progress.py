"""The epochs of a training: the best of them, the end by patience, and the refusal of a training that did harm."""

import numpy as np
import pytest
import torch

from movierec.model.progress import Epoch, Progress
from movierec.utils.errors import UserError

THEN = ([0.39], [0.401], [0.41, 0.41, 0.41])  # NDCG after a change


def progress_of(start, *epochs):
    """A `Progress` with the users' NDCG at the start, and their NDCG and the loss of each epoch.

    Its model has one weight: the number of the epoch.
    """
    model, measured = torch.nn.Linear(1, 1), [start, *(ndcg for ndcg, _ in epochs)]
    measure = lambda: {"ndcg@20": np.array(measured.pop(0)), "recall@20": np.array([0.2, 0.6])}  # noqa: E731
    progress = Progress(model, measure, model.state_dict)
    for number, (_, loss) in enumerate(epochs, 1):
        torch.nn.init.constant_(model.weight, number)
        progress.end_epoch([progress.step(loss, "")])
    return progress


def test_an_epoch_has_the_mean_loss_and_the_mean_metrics():
    progress = progress_of([0.2, 0.2])
    assert progress.step(5.0, "") == 5.0 and progress.start_ndcg == 0.2
    progress.measure = lambda: {"ndcg@20": np.array([0.1, 0.7]), "recall@20": np.array([0.2, 0.6])}
    assert progress.end_epoch([5.0, 4.0]) == pytest.approx(Epoch(1, 4.5, 0.4, 0.4))


def test_the_best_epochs_parameters_are_restored():
    progress = progress_of([0.2, 0.2], ([0.3, 0.3], 5.0), ([0.5, 0.4], 4.0), ([0.4, 0.5], 3.0), ([0.4, 0.4], 2.0))
    assert progress.best == progress.epochs[1] and progress.best.valid_ndcg == 0.45, "of equals, the first"
    progress.restore_best("")
    assert progress.model.weight.item() == progress.best.epoch == 2


def test_training_is_finished_after_all_epochs_or_without_patience():
    progress = progress_of([0.2, 0.2], ([0.3, 0.3], 5.0), ([0.5, 0.4], 4.0), ([0.4, 0.4], 3.0), ([0.4, 0.4], 2.0))
    assert not progress.finished(epochs=5, patience=3)
    assert progress.finished(epochs=4, patience=3) and progress.finished(epochs=5, patience=2)
    assert not progress_of([0.2, 0.2]).finished(epochs=1, patience=1), "before the first epoch"


@pytest.mark.parametrize(("last", "finished"), [(0.4019, True), (0.4021, False)])
def test_a_gain_of_less_than_half_a_percent_uses_up_the_patience(last, finished):
    progress = progress_of([0.2, 0.2], ([0.4, 0.4], 5.0), ([0.39, 0.39], 4.0), ([last, last], 3.0))
    assert progress.finished(epochs=9, patience=2) == finished
    assert not progress.finished(epochs=9, patience=3), "there is no earlier epoch"


def test_the_epochs_after_a_change_must_gain_at_once_and_are_left_out_if_they_do_not():
    epochs = [([ndcg, ndcg], 5.0) for ndcg in (0.2, 0.4, 0.4)]
    worse, better, more = (progress_of([0.2, 0.2], *epochs, *(([of, of], 5.0) for of in then)) for then in THEN)
    assert worse.finished(epochs=9, patience=3, begun=3) and not worse.finished(epochs=9, patience=3)
    assert not better.finished(epochs=9, patience=3, begun=3) and better.finished(epochs=4, patience=3, begun=3)
    assert more.finished(epochs=9, patience=2, begun=3), "patience counts from the change"
    assert not more.finished(epochs=9, patience=3, begun=3)
    assert [of.has_gained(3) for of in (worse, better, more)] == [False, False, True], "by half a percent"
    assert worse.leave_out(3) and len(worse.epochs) == 3
    assert not better.leave_out(3) and len(better.epochs) == 4 and not progress_of([0.2, 0.2], *epochs).leave_out(0)


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_with_the_advice(loss):
    progress = progress_of([0.2, 0.2], ([0.3, 0.3], 5.0))
    with pytest.raises(UserError, match=f"{loss} in epoch 2.* Try a smaller lr"):
        progress.step(loss, "Try a smaller lr")


@pytest.mark.parametrize(
    "epochs",
    [
        [([0.1, 0.3], 5.0), ([0.1, 0.3], 6.0)],  # no significant difference, but the loss rose
        [([0.1, 0.1], 5.0), ([0.11, 0.1], 4.0)],  # the loss fell, but every user is worse off
    ],
)
def test_harm_ends_with_the_figures_and_the_advice(epochs):
    progress = progress_of([0.3, 0.3], *epochs)
    loss, best = epochs[-1][1], max(np.mean(ndcg) for ndcg, _ in epochs)
    with pytest.raises(UserError) as error:
        progress.restore_best("Try something else.")
    assert str(error.value) == (
        "training made the model worse: validation NDCG@20 was 0.3000 at the start and "
        f"{best:.4f} at best in 2 epochs, while the loss went from 5 to {loss:g}. Try something else."
    )


def test_a_difference_that_is_not_significant_is_no_harm():
    progress = progress_of([0.3, 0.3], ([0.1, 0.4], 5.0), ([0.1, 0.48], 4.0))
    progress.restore_best("")
    assert progress.model.weight.item() == 2


def test_a_resumed_progress_goes_on_as_if_never_interrupted():
    progress = progress_of([0.3, 0.3], ([0.1, 0.3], 5.0), ([0.1, 0.28], 6.0))
    resumed = progress_of([0.9, 0.9])
    resumed.resume({name: np.asarray(value) for name, value in progress.arrays().items()}, progress.best_state)
    assert resumed.epochs == progress.epochs and resumed.best_state == progress.best_state
    messages = []
    for each in (progress, resumed):
        with pytest.raises(UserError) as error:
            each.restore_best("")
        messages.append(str(error.value))
    assert messages[0] == messages[1]
