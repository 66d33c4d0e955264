"""K1, K2, K3, and what the host refuses to do at all."""

import json

import numpy as np
import pytest
import torch
from basicts.metrics.mae import masked_mae
from basicts.runners.callback import EarlyStopping

from stlora_ext.errors import UserError
from stlora_ext.host.devices import use_device
from stlora_ext.host.launcher import launch_training

from .toy import LinearConfig, our_config, stock_config

# ---- K1 ------------------------------------------------------------------------------------------------


def test_a_misspelt_key_is_kept_by_stock_and_refused_by_ours(world, tmp_path):
    """K1: num_epoch=5 trains 100 epochs on stock; ours names the key that was meant."""
    stock = stock_config(world, tmp_path, num_epoch=5)
    assert (stock.num_epoch, stock.num_epochs) == (5, 2)
    assert stock.md5 != stock_config(world, tmp_path).md5
    with pytest.raises(UserError, match=r"unknown config key 'num_epoch': did you mean 'num_epochs'\?"):
        our_config(world, tmp_path, num_epoch=5)


def test_internal_names_are_no_keys(world, tmp_path):
    """K1: what begins with an underscore is the config's own."""
    with pytest.raises(UserError, match="unknown config key '_md5'"):
        our_config(world, tmp_path, _md5="0")


def test_a_misspelt_metric_is_refused(world, tmp_path):
    """K1: stock drops an unknown metric with a warning; ours names the nearest, and those without an exact sum."""
    assert "MEA" in stock_config(world, tmp_path, metrics=["MAE", "MEA"]).metrics
    with pytest.raises(UserError, match=r"metrics: 'MEA' has no exact sum; did you mean 'MAE'\?"):
        our_config(world, tmp_path, metrics=["MAE", "MEA"])
    with pytest.raises(UserError, match="has no exact sum"):
        our_config(world, tmp_path, metrics=[("MAE", masked_mae)])


# ---- K2 ------------------------------------------------------------------------------------------------


def test_keyword_order_changes_the_folder_on_stock_and_not_in_ours(world, tmp_path):
    """K2: the same optimizer settings in another order are the same configuration."""
    order = [{"lr": 0.01, "weight_decay": 0.0}, {"weight_decay": 0.0, "lr": 0.01}]
    stock = {stock_config(world, tmp_path, optimizer_params=dict(params)).md5 for params in order}
    ours = {our_config(world, tmp_path, optimizer_params=dict(params)).md5 for params in order}
    assert (len(stock), len(ours)) == (2, 1)


def test_a_default_written_out_changes_the_folder_on_stock_and_not_in_ours(world, tmp_path):
    """K2: a key with its default value, at any place, says nothing new."""
    explicit = {"deterministic": False, "train_data_collate_fn": None, "null_to_num": 0.0}
    assert stock_config(world, tmp_path, **explicit).md5 != stock_config(world, tmp_path).md5
    assert our_config(world, tmp_path, **explicit).md5 == our_config(world, tmp_path).md5
    assert our_config(world, tmp_path, model_settings={"dropout": 0.0}).md5 == our_config(world, tmp_path).md5


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ["MAE"]},
        {"eval_horizons": [2]},
        {"ckpt_save_dir": "elsewhere"},
        {"gpus": "0"},
        {"gpus": "3"},
        {"val_data_shuffle": True},
    ],
    ids=str,
)
def test_devices_folders_and_metrics_change_the_folder_on_stock_and_not_in_ours(world, tmp_path, change):
    """K2: a run trained on a GPU and evaluated on the CPU is one run."""
    assert stock_config(world, tmp_path, **change).md5 != stock_config(world, tmp_path).md5
    assert our_config(world, tmp_path, **change).md5 == our_config(world, tmp_path).md5


def test_the_place_of_the_data_is_not_part_of_the_configuration(world, tmp_path):
    """K2: moving the data set's folder keeps the runs."""
    elsewhere = tmp_path / "elsewhere"
    assert stock_config(elsewhere, tmp_path).md5 != stock_config(world, tmp_path).md5
    assert our_config(elsewhere, tmp_path).md5 == our_config(world, tmp_path).md5


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer_params": {"lr": 0.02, "weight_decay": 0.0}},
        {"optimizer_params": {"lr": 0.01, "weight_decay": 0.1}},
        {"optimizer": torch.optim.SGD},
        {"num_epochs": 3},
        {"train_batch_size": 16},
        {"null_val": np.nan},
        {"model_settings": {"dropout": 0.1}},
        {"callbacks": [EarlyStopping(3)]},
        {"norm_each_channel": True},
        {"finetune_from": "a.pt"},
        {"dataset_name": "OTHER"},
        {"lr_scheduler": torch.optim.lr_scheduler.StepLR, "lr_scheduler_params": {"step_size": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_weights_changes_the_hash(world, tmp_path, change):
    """K2: two configurations that train differently never share a folder."""
    assert our_config(world, tmp_path, **change).md5 != our_config(world, tmp_path).md5


def test_settings_of_callbacks_are_part_of_the_hash(world, tmp_path):
    """K2: patience decides which weights are the best."""
    first, second = (our_config(world, tmp_path, callbacks=[EarlyStopping(patience)]).md5 for patience in (3, 4))
    assert first != second


# ---- K3 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "matrices", [(torch.eye(3), torch.ones(3, 3)), (np.eye(3), np.ones((3, 3)))], ids=["tensor", "array"]
)
def test_matrices_share_a_hash_on_stock_and_are_refused_by_ours(world, tmp_path, matrices):
    """K3: stock resumes a run of another graph, or fails far from the cause; ours asks for a name."""

    def model_config(matrix):
        config = LinearConfig()
        config["adj"] = matrix
        return config

    if isinstance(matrices[0], torch.Tensor):
        first, second = (stock_config(world, tmp_path, model_config=model_config(m)).md5 for m in matrices)
        assert first == second
    cfg = our_config(world, tmp_path / "run", model_config=model_config(matrices[0]))
    with pytest.raises(UserError, match=rf"holds a {type(matrices[0]).__name__} of shape \(3, 3\): give the name"):
        launch_training(cfg)
    assert not (tmp_path / "run").exists()


def test_lambdas_share_a_hash_on_stock_and_are_refused_by_ours(world, tmp_path):
    """K3: two lambdas look alike to a hash."""

    def overrides(gamma):
        return {
            "lr_scheduler": torch.optim.lr_scheduler.LambdaLR,
            "lr_scheduler_params": {"lr_lambda": lambda epoch: gamma**epoch},
        }

    first, second = (stock_config(world, tmp_path, **overrides(gamma)).md5 for gamma in (0.5, 0.9))
    assert first == second
    with pytest.raises(UserError, match="holds a lambda or a partial function"):
        our_config(world, tmp_path, **overrides(0.5)).md5  # noqa: B018


def test_numpy_numbers_are_numbers(world, tmp_path):
    """K3: stock cannot write a numpy scalar; in ours it equals the number."""
    changed = {"optimizer_params": {"lr": np.float64(0.01), "weight_decay": np.float32(0.0)}}
    with pytest.raises(TypeError, match="not JSON serializable"):
        stock_config(world, tmp_path, **changed).md5  # noqa: B018
    assert our_config(world, tmp_path, **changed).md5 == our_config(world, tmp_path).md5


def test_the_saved_config_is_json_that_any_reader_takes(world, tmp_path):
    """K3: a NaN null value is written as text, because JSON has no NaN."""
    our_config(world, tmp_path, null_val=np.nan).save()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    saved = json.loads((tmp_path / "cfg.json").read_text(), parse_constant=refuse)
    assert (saved["null_val"], saved["num_epochs"]) == ("nan", 2)


# ---- refused -------------------------------------------------------------------------------------------


def test_step_based_training_is_refused(world, tmp_path):
    """S1, T4: stock's step mode reports mixtures; ours has epochs only, and says so in one line."""
    with pytest.raises(UserError, match=r"^num_steps=20: step-based training is not supported; set num_epochs$"):
        our_config(world, tmp_path, num_steps=20, num_epochs=None)


def test_testing_during_training_is_refused(world, tmp_path):
    """V2: there is no way to look at the test set early."""
    with pytest.raises(UserError, match=r"^test_interval=1: the test set is evaluated once, after training"):
        our_config(world, tmp_path, test_interval=1)


def test_several_gpus_for_one_process_are_refused(world, tmp_path):
    """A process uses one GPU; several GPUs are for several processes."""
    with pytest.raises(UserError, match=r"one process uses one GPU.*--gpus") as error:
        our_config(world, tmp_path, gpus="0,1")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"expected the number of one GPU.*sweep") as error:
        use_device("0,1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("found", "count"), [(0, "no CUDA GPUs"), (1, "1 CUDA GPU;")])
def test_an_absent_gpu_is_refused_naming_the_cpu_command(world, tmp_path, monkeypatch, found, count):
    """D2: stock says "Device num not match"; ours says how to go on without it, and leaves no folder behind."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(UserError, match=rf"--gpus 1: this machine has {count}.*on the CPU: .*--gpus ''") as error:
        launch_training(our_config(world, tmp_path / "run", gpus="1"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
