"""Names of a GAN's numbers, as people write them."""

from __future__ import annotations

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.signals import SIGNALS, recognise_names


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["d_loss", "g_loss"], {"d_loss": "d_loss", "g_loss": "g_loss"}, id="Keras"),
        pytest.param(
            ["d_loss", "d_acc", "d_real_acc", "d_fake_acc", "g_loss", "g_acc"],
            {
                "d_loss": "d_loss",
                "d_acc": "d_acc",
                "d_acc_real": "d_real_acc",
                "d_acc_fake": "d_fake_acc",
                "g_loss": "g_loss",
                "g_acc": "g_acc",
            },
            id="book, second edition",
        ),
        pytest.param(
            ["c_loss", "c_wass_loss", "c_gp", "g_loss"],
            {"d_loss": "c_loss", "g_loss": "g_loss"},
            id="book, Wasserstein",
        ),
        pytest.param(
            ["disc_loss", "gen_loss"], {"d_loss": "disc_loss", "g_loss": "gen_loss"}, id="disc/gen"
        ),
        pytest.param(
            ["discriminator_loss", "generator_loss", "discriminator_accuracy_real"],
            {
                "d_loss": "discriminator_loss",
                "d_acc_real": "discriminator_accuracy_real",
                "g_loss": "generator_loss",
            },
            id="long",
        ),
        pytest.param(
            ["D_loss", "G_loss", "D_loss_real", "D_loss_fake", "D_acc"],
            {
                "d_loss": "D_loss",
                "d_loss_real": "D_loss_real",
                "d_loss_fake": "D_loss_fake",
                "d_acc": "D_acc",
                "g_loss": "G_loss",
            },
            id="capitals",
        ),
        pytest.param(["lossD", "lossG"], {"d_loss": "lossD", "g_loss": "lossG"}, id="camel case"),
        pytest.param(
            ["errD", "errG", "errD_real", "errD_fake"],
            {
                "d_loss": "errD",
                "d_loss_real": "errD_real",
                "d_loss_fake": "errD_fake",
                "g_loss": "errG",
            },
            id="errors",
        ),
        pytest.param(
            ["loss_D", "loss_G", "real_acc", "fake_acc"],
            {
                "d_loss": "loss_D",
                "d_acc_real": "real_acc",
                "d_acc_fake": "fake_acc",
                "g_loss": "loss_G",
            },
            id="halves without D",
        ),
        pytest.param(
            ["real_acc", "gen_acc", "d_loss"],
            {"d_loss": "d_loss", "d_acc_real": "real_acc", "d_acc_fake": "gen_acc"},
            id="gen_acc is D's on fakes",
        ),
        pytest.param(
            ["disc_acc", "gen_acc"], {"d_acc": "disc_acc", "g_acc": "gen_acc"}, id="gen_acc is G's"
        ),
        pytest.param(
            ["adv_loss", "d_loss"], {"d_loss": "d_loss", "g_loss": "adv_loss"}, id="adversarial"
        ),
        pytest.param(
            ["adv_loss", "w_loss", "c_loss", "g_loss", "gp"],
            {"d_loss": "c_loss", "g_loss": "g_loss"},
            id="parts of losses",
        ),
        pytest.param(
            ["real_d_loss", "d_binary_accuracy_fake"],
            {"d_loss_real": "real_d_loss", "d_acc_fake": "d_binary_accuracy_fake"},
            id="other orders",
        ),
    ],
)
def test_recognises(names: list[str], expected: dict[str, str]) -> None:
    assert recognise_names(names).keys == expected


def test_validation_numbers_are_never_taken() -> None:
    names = ["val_d_loss", "d_loss", "val_g_loss", "val_d_acc"]
    assert recognise_names(names).keys == {"d_loss": "d_loss"}


def test_the_exact_name_wins_over_another_spelling() -> None:
    assert recognise_names(["disc_loss", "d_loss"]).keys["d_loss"] == "d_loss"


def test_a_critic_is_known_as_one() -> None:
    assert recognise_names(["c_loss", "g_loss"]).objective == "wasserstein"
    assert recognise_names(["d_hinge_loss", "g_loss"]).objective == "hinge"
    assert recognise_names(["d_loss", "g_loss", "c_gp"]).objective is None


@pytest.mark.parametrize("name", ["loss", "accuracy", "cycle_loss", "d_lossy", "gp", "", "id_loss"])
def test_other_numbers_are_left_alone(name: str) -> None:
    with pytest.raises(InputError, match="no GAN signals found"):
        recognise_names([name])


def test_nothing_fits_lists_what_was_there_and_what_to_do() -> None:
    with pytest.raises(InputError) as error:
        recognise_names(["loss", "mae"])
    assert "loss, mae" in str(error.value)
    assert "--signal" in str(error.value)
    assert "\n" not in str(error.value)


def test_names_given_by_a_person_are_used() -> None:
    assert recognise_names(["a", "g_loss"], {"d_loss": "a"}).keys == {
        "d_loss": "a",
        "g_loss": "g_loss",
    }


def test_a_given_name_that_is_not_there_says_so() -> None:
    with pytest.raises(InputError, match=r"named 'b'. Received: a"):
        recognise_names(["a"], {"d_loss": "b"})


def test_a_given_signal_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(InputError) as error:
        recognise_names(["a"], {"dloss": "a"})
    assert all(signal in str(error.value) for signal in SIGNALS)


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["d_loss", "g_loss", "gen_acc"], "--signal g_acc=gen_acc"),
        (["disc_loss", "gen_loss", "disc_real"], "--signal d_loss_real=disc_real"),
    ],
)
def test_an_ambiguous_name_is_a_question_and_not_guessed(names: list[str], asked: str) -> None:
    found = recognise_names(names)
    assert names[-1] not in found.keys.values()
    [question] = found.questions
    assert asked in question


def test_an_answered_question_is_not_asked_again() -> None:
    found = recognise_names(["d_loss", "gen_acc"], {"d_acc_fake": "gen_acc"})
    assert found.keys == {"d_loss": "d_loss", "d_acc_fake": "gen_acc"}
    assert not found.questions


@pytest.mark.parametrize(
    "names", [["G_loss", "F_loss", "D_X_loss", "D_Y_loss"], ["loss_D_A", "loss_D_B", "loss_G"]]
)
def test_several_pairs_are_not_taken_for_one(names: list[str]) -> None:
    with pytest.raises(InputError, match=r"several pairs .*--signal d_loss="):
        recognise_names(names)
    given = {"d_loss": next(name for name in names if "D_" in name)}
    assert recognise_names(names, given).keys["d_loss"] == given["d_loss"]


@pytest.mark.parametrize("name", ["D(x)", "D(G(z))", "D_G_z1"])
def test_mean_answers_of_d_are_not_accuracies(name: str) -> None:
    assert recognise_names(["Loss_D", "Loss_G", name]).keys == {
        "d_loss": "Loss_D",
        "g_loss": "Loss_G",
    }
